#include "data/exchange/channel.h"

namespace headrace::data::exchange {

std::string ChannelId::ToString() const {
  return job.str() + "/" + std::to_string(deployment) + " edge " + std::to_string(edge) + " " + std::to_string(producer_subtask) + "->" +
         std::to_string(consumer_subtask);
}

}  // namespace headrace::data::exchange
