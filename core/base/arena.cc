#include "core/base/arena.h"

#include <cstdlib>

namespace postern {

BlockPool::~BlockPool() { Trim(0); }

BlockPool::Block* BlockPool::Allocate() {
  auto* block = static_cast<Block*>(::operator new(kBlockSize));
  block->next = nullptr;
  block->capacity = Block::kCapacity;
  return block;
}

void BlockPool::Free(Block* block) { ::operator delete(block); }

void BlockPool::Trim(size_t keep) {
  while (idle_ > keep) {
    Block* block = free_;
    free_ = block->next;
    --idle_;
    Free(block);
  }
}

char* Arena::AllocateSlow(size_t size) {
  if (size > BlockPool::Block::kCapacity / 2) {
    // A block of its own, put behind the one being filled so that the rest of that stays usable.
    auto* block = static_cast<BlockPool::Block*>(::operator new(sizeof(BlockPool::Block) + size));
    block->capacity = size;
    held_ += size;
    if (head_ == nullptr) {
      block->next = nullptr;
      head_ = block;
      used_ = size;
    } else {
      block->next = head_->next;
      head_->next = block;
    }
    return block->data();
  }
  BlockPool::Block* block = pool_->Take();
  block->next = head_;
  head_ = block;
  held_ += BlockPool::kBlockSize;
  used_ = size;
  return block->data();
}

void Arena::Reset() {
  while (head_ != nullptr) {
    BlockPool::Block* next = head_->next;
    if (head_->capacity == BlockPool::Block::kCapacity) {
      pool_->Give(head_);
    } else {
      ::operator delete(head_);
    }
    head_ = next;
  }
  used_ = 0;
  held_ = 0;
}

}  // namespace postern
