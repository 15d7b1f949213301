#pragma once

namespace postern {

template <typename T, typename Tag>
class IntrusiveList;

/// Base of an object that may stand in one IntrusiveList per `Tag`, usually the object's own type.
/// Leaving a list needs neither the list nor a search. The destructor unlinks.
template <typename Tag>
class ListNode {
 public:
  ListNode() = default;
  ~ListNode() { Unlink(); }
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  bool linked() const { return next_ != this; }

  void Unlink() {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = this;
  }

 private:
  template <typename T, typename U>
  friend class IntrusiveList;

  void InsertBefore(ListNode* at) {
    prev_ = at->prev_;
    next_ = at;
    at->prev_->next_ = this;
    at->prev_ = this;
  }

  ListNode* prev_ = this;
  ListNode* next_ = this;
};

/// Doubly linked list of objects derived from ListNode<Tag>. Owns nothing. While a list is walked
/// with Next(), elements may leave it except the one that comes next; use PopFront() where they
/// might.
template <typename T, typename Tag = T>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  ~IntrusiveList() { Clear(); }

  bool empty() const { return !root_.linked(); }
  void PushBack(T* item) {
    Node* node = item;
    node->Unlink();
    node->InsertBefore(&root_);
  }
  void PushFront(T* item) {
    Node* node = item;
    node->Unlink();
    node->InsertBefore(root_.next_);
  }
  /// First element, or null.
  T* Front() const { return empty() ? nullptr : static_cast<T*>(root_.next_); }
  /// Last element, or null.
  T* Back() const { return empty() ? nullptr : static_cast<T*>(root_.prev_); }
  /// The element after `item`, or null.
  T* Next(const T* item) const {
    Node* next = static_cast<const Node*>(item)->next_;
    return next == &root_ ? nullptr : static_cast<T*>(next);
  }
  T* PopFront() {
    T* item = Front();
    if (item != nullptr) static_cast<Node*>(item)->Unlink();
    return item;
  }
  void Clear() {
    while (!empty()) root_.next_->Unlink();
  }
  /// Moves all elements of `other` to the end of this list, in order.
  void TakeAll(IntrusiveList* other) {
    while (T* item = other->PopFront()) PushBack(item);
  }

 private:
  using Node = ListNode<Tag>;
  mutable Node root_;
};

}  // namespace postern
