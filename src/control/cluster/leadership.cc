#include "control/cluster/leadership.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "base/status.h"

namespace headrace::control::cluster {

using metastore::LeaderGrant;
using metastore::Metastore;

Leadership::Leadership(Executor* executor, Metastore* store, Incarnation holder, std::string address, Options options,
                       LeadershipListener* listener)
    : store_(store), holder_(std::move(holder)), address_(std::move(address)), options_(options), listener_(listener), mailbox_(executor) {}

void Leadership::Start() { Take(); }

bool Leadership::may_act() const {
  return state_ == State::kLeading && !verifying_ && mailbox_.executor()->clock().Now() - last_good_send_ <= options_.freeze_after;
}

void Leadership::Take() {
  const MonotonicTime sent = mailbox_.executor()->clock().Now();
  store_->TakeLeadership(holder_, std::nullopt, address_, mailbox_.Bind([this, sent](Outcome<LeaderGrant> outcome) {
    if (outcome.done()) return Win(outcome.value(), sent);
    store_reachable_ = false;
    LogWarn("control.leadership", "Leadership was not taken: " + outcome.reason().message());
    mailbox_.After(options_.retry_after, [this, unknown = outcome.unknown()] { unknown ? ReadBack() : Take(); });
  }));
}

void Leadership::ReadBack() {
  const MonotonicTime sent = mailbox_.executor()->clock().Now();
  store_->ReadLeader(mailbox_.Bind([this, sent](Outcome<Metastore::Leader> outcome) {
    if (!outcome.done()) {
      mailbox_.After(options_.retry_after, [this] { ReadBack(); });
      return;
    }
    if (outcome.value().holder == holder_) return Win(LeaderGrant{outcome.value().epoch, holder_}, sent);
    Take();
  }));
}

void Leadership::Win(LeaderGrant grant, MonotonicTime sent) {
  if (state_ != State::kStarting) return;
  grant_ = std::move(grant);
  state_ = State::kLeading;
  last_good_send_ = sent;
  store_reachable_ = true;
  LogInfo("control.leadership", "This JobManager leads, epoch " + std::to_string(grant_.epoch) + ".");
  mailbox_.After(options_.renew_every, [this] { Renew(); });
  listener_->OnLeading();
}

void Leadership::Renew() {
  if (state_ != State::kLeading) return;
  if (!may_act() && !frozen_) {
    frozen_ = true;
    LogWarn("control.leadership", "The lease could not be renewed: nothing new is started until the metadata store answers.");
  }
  const MonotonicTime sent = mailbox_.executor()->clock().Now();
  store_->RenewLeadership(grant_, mailbox_.Bind([this, sent](Outcome<Nothing> outcome) {
    if (state_ != State::kLeading) return;
    store_reachable_ = outcome.done();
    if (outcome.done()) {
      const bool was_frozen = !may_act();  // also when it froze after the last turn that looked
      if (sent > last_good_send_) last_good_send_ = sent;
      if (was_frozen && may_act()) {
        frozen_ = false;
        listener_->OnThawed();
      }
    } else {
      NoteRefusal(outcome.reason());
    }
  }));
  mailbox_.After(options_.renew_every, [this] { Renew(); });
}

void Leadership::NoteRefusal(const Status& reason) {
  if (CodeOf(reason) == ErrorCode::kDeposed) Verify();
}

void Leadership::NoteOtherLeader(const wire::LeaderToken& other) {
  if (state_ != State::kLeading || other.epoch < grant_.epoch || other == token()) return;
  highest_heard_ = std::max(highest_heard_, other.epoch);
  Verify();
}

void Leadership::Verify() {
  if (state_ != State::kLeading || std::exchange(verifying_, true)) return;
  store_->ReadLeader(mailbox_.Bind([this](Outcome<Metastore::Leader> outcome) {
    if (state_ != State::kLeading) return;
    if (!outcome.done()) {
      mailbox_.After(options_.retry_after, [this] {
        verifying_ = false;
        Verify();
      });
      return;
    }
    if (outcome.value().holder != holder_) return Depose();
    grant_.epoch = outcome.value().epoch;
    if (highest_heard_ >= grant_.epoch) return Raise();
    verifying_ = false;
    listener_->OnThawed();
  }));
}

void Leadership::Raise() {
  LogWarn("control.leadership",
          fmt::format("Processes remember leader epoch {}, the store gave {}: it was restored or emptied. A higher epoch is taken.",
                      highest_heard_, grant_.epoch));
  const MonotonicTime sent = mailbox_.executor()->clock().Now();
  store_->TakeLeadership(holder_, grant_.epoch, address_, mailbox_.Bind([this, sent](Outcome<LeaderGrant> outcome) {
    if (state_ != State::kLeading) return;
    if (outcome.done()) {
      grant_ = outcome.value();
      last_good_send_ = sent;
      if (highest_heard_ >= grant_.epoch) return Raise();
    }
    verifying_ = false;
    if (!outcome.done()) return Verify();  // moved on, unknown or away: read again
    listener_->OnThawed();
  }));
}

void Leadership::Depose() {
  state_ = State::kDeposed;
  LogError("control.leadership", "Another JobManager leads; this one stops acting.");
  listener_->OnDeposed();
}

}  // namespace headrace::control::cluster
