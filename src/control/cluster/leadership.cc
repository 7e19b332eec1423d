#include "control/cluster/leadership.h"

#include <utility>

#include "base/logging.h"
#include "base/status.h"

namespace headrace::control::cluster {

using metastore::LeaderGrant;
using metastore::Metastore;

Leadership::Leadership(Executor* executor, Metastore* store, Incarnation holder, std::string address, Options options, LeadershipListener* listener)
    : store_(store), holder_(std::move(holder)), address_(std::move(address)), options_(options), listener_(listener), mailbox_(executor) {}

void Leadership::Start() { Take(); }

bool Leadership::may_act() const {
  return state_ == State::kLeading && mailbox_.executor()->clock().Now() - last_good_send_ <= options_.freeze_after;
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
      if (sent > last_good_send_) last_good_send_ = sent;
      if (frozen_ && may_act()) {
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
  if (CodeOf(reason) == ErrorCode::kDeposed) NoteDeposed();
}

void Leadership::NoteDeposed() {
  if (state_ == State::kDeposed) return;
  state_ = State::kDeposed;
  LogError("control.leadership", "Another JobManager leads; this one stops acting.");
  listener_->OnDeposed();
}

}  // namespace headrace::control::cluster
