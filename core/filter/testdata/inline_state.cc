// Two objects of this share `state` or not, depending on how they are built (plugin-abi.md §4).
inline int& State() {
  static int state = 0;
  return state;
}

extern "C" __attribute__((visibility("default"))) int Next() { return ++State(); }
