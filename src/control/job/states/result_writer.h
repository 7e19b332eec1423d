#pragma once
#include <string>

#include "control/cluster/mailbox.h"
#include "control/job/dispatcher.h"
#include "control/metastore/metastore.h"

namespace headrace::control::job {

class JobMaster;

/// Writes the end of a job, again and again until the store says what stands there, then moves the job to that state. The
/// row that was written first wins, so that an unknown write of one end and a later write of another agree.
/// Owned by a state; control executor only.
class ResultWriter {
 public:
  explicit ResultWriter(JobMaster* job);
  void Write(JobState end);
  void Close() { mailbox_.Close(); }

 private:
  void Send();

  JobMaster* const job_;
  metastore::JobResult result_;
  cluster::Mailbox mailbox_;
};

}  // namespace headrace::control::job
