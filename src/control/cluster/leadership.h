#pragma once
#include <chrono>
#include <string>

#include "base/executor.h"
#include "base/ids.h"
#include "control/cluster/mailbox.h"
#include "control/metastore/metastore.h"
#include "wire/gateways.h"

namespace headrace::control::cluster {

/// Told of changes on the control executor.
class LeadershipListener {
 public:
  virtual ~LeadershipListener() = default;
  virtual void OnLeading() = 0;  ///< once, with the grant in hand
  virtual void OnThawed() = 0;   ///< the lease is fresh again after a freeze
  virtual void OnDeposed() = 0;  ///< once; nothing may be decided afterwards
};

/// Takes the lead at start and keeps the lease fresh. A lease that was not renewed `freeze_after` after the SEND of the last
/// good renewal freezes: no deploy, no other new decision, while heartbeats go on. Safety does not rest on this timer: every
/// write is fenced in the store and every message carries the token.
/// Owned by the control plane; control executor only; stops when destroyed.
class Leadership {
 public:
  struct Options {
    Duration renew_every = std::chrono::milliseconds(1500);
    Duration freeze_after = std::chrono::milliseconds(4000);
    Duration retry_after = std::chrono::milliseconds(1000);
  };
  Leadership(Executor* executor, metastore::Metastore* store, Incarnation holder, std::string address, Options options,
             LeadershipListener* listener);

  void Start();
  /// Holds a grant and knows of no newer leader; the lease may be stale.
  bool leading() const { return state_ == State::kLeading; }
  bool deposed() const { return state_ == State::kDeposed; }
  /// Leading with a fresh lease: new decisions are allowed.
  bool may_act() const;
  /// Whether the last call to the store was answered.
  bool store_reachable() const { return store_reachable_; }
  const metastore::LeaderGrant& grant() const { return grant_; }
  wire::LeaderToken token() const { return {grant_.epoch, grant_.holder}; }
  const std::string& address() const { return address_; }
  /// A receiver or the store said that another one leads (kDeposed), or a process knows a higher leader. Nothing is decided
  /// until the store was read: it names another holder (deposed), or still this one; then its rows are older than what the
  /// processes remember (a restored or emptied store), and epochs are taken until ours is the highest.
  void NoteRefusal(const Status& reason);
  void NoteOtherLeader(const wire::LeaderToken& other);

 private:
  enum class State { kStarting, kLeading, kDeposed };
  void Verify();
  void Raise();
  void Depose();
  void Take();
  void ReadBack();
  void Win(metastore::LeaderGrant grant, MonotonicTime sent);
  void Renew();

  metastore::Metastore* const store_;
  const Incarnation holder_;
  const std::string address_;
  const Options options_;
  LeadershipListener* const listener_;
  State state_ = State::kStarting;
  metastore::LeaderGrant grant_;
  MonotonicTime last_good_send_{};
  bool frozen_ = false;  ///< the freeze was logged
  bool verifying_ = false;
  LeaderEpoch highest_heard_ = 0;
  bool store_reachable_ = false;
  Mailbox mailbox_;
};

}  // namespace headrace::control::cluster
