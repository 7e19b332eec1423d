#include "data/connector/nexmark/nexmark_texts.h"

#include <array>
#include <charconv>
#include <vector>

namespace headrace::data::connector::nexmark {
namespace {

constexpr std::int64_t kBlockBytes = 1 << 20;
constexpr std::int64_t kChannels = 10'000;
constexpr std::array<std::string_view, 4> kHotChannels = {"Google", "Facebook", "Baidu", "Apple"};
constexpr std::array<std::string_view, 11> kFirstNames = {"Peter", "Paul",  "Luke",  "John",   "Saul",  "Vicky",
                                                          "Kate",  "Julie", "Sarah", "Deiter", "Walter"};
constexpr std::array<std::string_view, 9> kLastNames = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
                                                        "Walton", "Smith",  "Jones",   "Noris"};
constexpr std::array<std::string_view, 10> kCities = {"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland",
                                                      "Bend",    "Redmond",     "Seattle",       "Kent",  "Cheyenne"};
constexpr std::array<std::string_view, 6> kStates = {"AZ", "CA", "ID", "OR", "WA", "WY"};

/// Letters with one blank in thirteen; the same block for every seed.
const std::string& Block() {
  static const std::string block = [] {
    const Model letters{};
    std::string text(static_cast<std::size_t>(kBlockBytes), ' ');
    for (std::int64_t i = 0; i < kBlockBytes; ++i) {
      const std::uint64_t bits = letters.Bits(i, Draw{0});
      if (bits % 13 != 0) text[static_cast<std::size_t>(i)] = static_cast<char>('a' + (bits >> 8) % 26);
    }
    return text;
  }();
  return block;
}

std::string_view Cut(std::int64_t offset, std::int64_t bytes) {
  return std::string_view(Block()).substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(bytes));
}

void AppendNumber(std::int64_t number, std::string* out) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out->append(digits, static_cast<std::size_t>(end - digits));
}

std::uint32_t ReverseBits(std::uint32_t x) {
  std::uint32_t reversed = 0;
  for (int i = 0; i < 32; ++i, x >>= 1) reversed = reversed << 1 | (x & 1);
  return reversed;
}

/// The address of a channel's page, -1 to -4 for the hot ones; without the channel's number.
std::string BaseUrl(std::int64_t channel) {
  const Model words{};
  std::string url = "https://www.nexmark.com/";
  for (std::int64_t part = 0; part < 3; ++part) {
    const std::size_t start = url.size();
    AppendWords(words, (channel + 5) * 3 + part, Draw::kChannelUrl, 5, &url);
    for (std::size_t i = start; i < url.size(); ++i)
      if (url[i] == ' ') url[i] = '_';
    url += '/';
  }
  return url + "item.htm?query=1";
}

const std::string& UrlOf(std::int64_t channel) {
  static const std::vector<std::string> urls = [] {
    std::vector<std::string> all;
    for (std::int64_t hot = -4; hot < 0; ++hot) all.push_back(BaseUrl(hot));
    const Model model{};
    for (std::int64_t k = 0; k < kChannels; ++k) {
      std::string url = BaseUrl(k);
      if (model.Uniform(k, Draw::kChannelUrl, 10) > 0) {
        const auto number = static_cast<std::int32_t>(ReverseBits(static_cast<std::uint32_t>(k)));
        url += "&channel_id=";
        AppendNumber(number < 0 ? -static_cast<std::int64_t>(number) : number, &url);
      }
      all.push_back(std::move(url));
    }
    return all;
  }();
  return urls[static_cast<std::size_t>(channel + 4)];
}

/// -4 to -1 for the hot channels.
std::int64_t ChannelOf(const Model& model, std::int64_t event) {
  const std::uint64_t bits = model.Bits(event, Draw::kChannelHot);
  return bits >> 63 != 0 ? -1 - static_cast<std::int64_t>(bits & 3) : model.Uniform(event, Draw::kChannel, kChannels);
}

template <std::size_t N>
void AppendOneOf(const Model& model, std::int64_t event, Draw draw, const std::array<std::string_view, N>& names, std::string* out) {
  out->append(names[static_cast<std::size_t>(model.Uniform(event, draw, N))]);
}

}  // namespace

void AppendChannel(const Model& model, std::int64_t event, std::string* out) {
  const std::int64_t channel = ChannelOf(model, event);
  if (channel < 0) {
    out->append(kHotChannels[static_cast<std::size_t>(-1 - channel)]);
    return;
  }
  out->append("channel-");
  AppendNumber(channel, out);
}

void AppendUrl(const Model& model, std::int64_t event, std::string* out) { out->append(UrlOf(ChannelOf(model, event))); }

void AppendPersonName(const Model& model, std::int64_t event, std::string* out) {
  AppendOneOf(model, event, Draw::kFirstName, kFirstNames, out);
  out->push_back(' ');
  AppendOneOf(model, event, Draw::kLastName, kLastNames, out);
}

void AppendEmail(const Model& model, std::int64_t event, std::string* out) {
  std::uint64_t bits = model.Bits(event, Draw::kEmail);
  for (int i = 0; i < 12; ++i, bits /= 26) {
    if (i == 7) out->push_back('@');
    out->push_back(static_cast<char>('a' + bits % 26));
  }
  out->append(".com");
}

void AppendCard(const Model& model, std::int64_t event, std::string* out) {
  std::uint64_t bits = model.Bits(event, Draw::kCard);
  for (int i = 0; i < 16; ++i, bits /= 10) {
    if (i > 0 && i % 4 == 0) out->push_back(' ');
    out->push_back(static_cast<char>('0' + bits % 10));
  }
}

void AppendCity(const Model& model, std::int64_t event, std::string* out) { AppendOneOf(model, event, Draw::kCity, kCities, out); }

void AppendState(const Model& model, std::int64_t event, std::string* out) { AppendOneOf(model, event, Draw::kState, kStates, out); }

void AppendWords(const Model& model, std::int64_t event, Draw draw, std::int64_t most, std::string* out) {
  const std::uint64_t bits = model.Bits(event, draw);
  const std::int64_t length = 3 + static_cast<std::int64_t>((bits >> 40) % static_cast<std::uint64_t>(most - 3));
  std::string_view words = Cut(static_cast<std::int64_t>(bits & 0xFFFFFFFF) % (kBlockBytes - length), length);
  while (!words.empty() && words.front() == ' ') words.remove_prefix(1);
  while (!words.empty() && words.back() == ' ') words.remove_suffix(1);
  out->append(words);
}

void AppendExtra(const Model& model, std::int64_t event, Draw where, Draw size, std::int64_t bytes, std::int64_t average,
                 std::string* out) {
  const std::int64_t lacking = average - bytes;
  if (lacking <= 0) return;
  const std::int64_t spread = (lacking + 2) / 5;
  const std::int64_t length = lacking - spread + (spread > 0 ? model.Uniform(event, size, 2 * spread) : 0);
  out->append(Cut(model.Uniform(event, where, kBlockBytes - length), length));
}

}  // namespace headrace::data::connector::nexmark
