#pragma once
#include <string_view>

#include "base/status.h"
#include "control/metastore/metastore.h"

namespace headrace::control::metastore {

// What every implementation answers in the same words, so that callers and the contract suite see no difference.

/// kDeposed: the grant is not, or no longer, the current one.
Status Deposed(const LeaderGrant& grant);
/// kDeposed: somebody else took over before the caller did.
Status EpochMoved(LeaderEpoch expected);
/// kNotFound.
Status UnknownJob(const JobId& id);
/// kConflict: the job has a result and never runs again.
Status JobHasEnded(const JobId& id);
/// kConflict: the id exists with other content.
Status OtherContent(const JobId& id);
/// kConflict: another job was submitted with the key.
Status KeyTaken(std::string_view idempotency_key);
/// kNotReady: a call after RequestStop().
Status Stopped();
/// kStoreCorrupt: the schema was written by a newer version of Headrace.
Status NewerSchema(int found, int known);

/// kBadRequest unless all texts of the record are UTF-8 without NUL and within the caps that databases index.
Status CheckTexts(const JobRecord& job);
Status CheckTexts(const JobResult& result);
Status CheckTexts(const SplitRecord& split);

}  // namespace headrace::control::metastore
