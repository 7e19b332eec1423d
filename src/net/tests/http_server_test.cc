#include "net/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "net/http_client.h"
#include "net/multipart.h"

namespace headrace::net {
namespace {

using std::chrono::milliseconds;

/// A bare socket, for requests that no client would send.
class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~RawConnection() { close(fd_); }
  bool Write(std::string_view text) const { return send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()); }
  void EndWrites() const { shutdown(fd_, SHUT_WR); }
  /// Until the peer closes, `until` occurs, or 20 s.
  std::string Read(std::string_view until = {}) const {
    std::string text;
    char chunk[4096];
    while (until.empty() || text.find(until) == std::string::npos) {
      pollfd ready{fd_, POLLIN, 0};
      if (poll(&ready, 1, 20'000) <= 0) return text + "(nothing came)";
      const ssize_t got = recv(fd_, chunk, sizeof chunk, 0);
      if (got <= 0) break;
      text.append(chunk, static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  int fd_;
};

std::string Ask(std::uint16_t port, std::string_view request) {
  RawConnection connection(port);
  EXPECT_TRUE(connection.Write(request));
  return connection.Read();
}

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpHandler handler = nullptr, HttpAdmit admit = nullptr) {
    if (!handler) {
      handler = [this](HttpRequest request, HttpResponder responder) {
        ++handled_;
        responder.Send(TextResponse(200, request.method + " " + request.path + " " + request.body));
      };
    }
    auto server = HttpServer::Start(options_, std::move(handler), std::move(admit));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = std::move(*server);
  }
  HttpClient Client() const { return HttpClient("127.0.0.1", server_->port()); }

  HttpServerOptions options_;
  std::atomic<int> handled_{0};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersOnAFreePortAndSaysWhich) {
  Start();
  EXPECT_NE(server_->port(), 0);
  EXPECT_TRUE(server_->on_loopback());
  const auto response = Client().Send("POST", "/a?b=c", {}, "body").ValueOrDie();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "POST /a body");
  EXPECT_EQ(FindField(response.headers, "x-content-type-options"), "nosniff");
}

TEST_F(HttpServerTest, AnAnswerMayComeLaterFromAnotherThread) {
  std::thread later;
  Start([&](HttpRequest, HttpResponder responder) { later = std::thread([responder] { responder.Send(TextResponse(201, "later")); }); });
  EXPECT_EQ(Client().Get("/")->status, 201);
  later.join();
}

TEST_F(HttpServerTest, OnlyTheFirstAnswerCounts) {
  Start([](HttpRequest, HttpResponder responder) {
    responder.Send(TextResponse(200, "first"));
    responder.Send(TextResponse(500, "second"));
  });
  EXPECT_EQ(Client().Get("/")->body, "first");
}

TEST_F(HttpServerTest, ADroppedResponderAndAThrowingHandlerAnswer500) {
  Start([](HttpRequest request, HttpResponder) {
    if (request.path == "/throw") throw std::runtime_error("boom");
  });
  EXPECT_EQ(Client().Get("/drop")->status, 500);
  EXPECT_EQ(Client().Get("/throw")->status, 500);
  EXPECT_EQ(Client().Get("/drop")->content_type, "application/problem+json");
}

TEST_F(HttpServerTest, KeepAliveAndPipelinedRequestsAreAnsweredInOrder) {
  Start();
  RawConnection connection(server_->port());
  connection.Write(
      "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET /3 HTTP/1.1\r\nHost: "
      "x\r\nConnection: close\r\n\r\n");
  const std::string answer = connection.Read();
  const auto one = answer.find("GET /1 "), two = answer.find("POST /2 hi"), three = answer.find("GET /3 ");
  EXPECT_TRUE(one != std::string::npos && one < two && two < three && three != std::string::npos) << answer;
}

TEST_F(HttpServerTest, HeadHasTheLengthButNoBody) {
  Start([](HttpRequest, HttpResponder responder) { responder.Send(TextResponse(200, "12345")); });
  const std::string answer = Ask(server_->port(), "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 5"), std::string::npos) << answer;
  EXPECT_EQ(answer.substr(answer.size() - 4), "\r\n\r\n");
  EXPECT_EQ(Client().Send("HEAD", "/")->status, 200);
}

TEST_F(HttpServerTest, ChunkedBodiesAreJoinedAndCapped) {
  Start();
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_NE(Ask(server_->port(), head + "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n").find("abcde"), std::string::npos);
  std::string big = head;
  for (int i = 0; i < 20; ++i) big += "10000\r\n" + std::string(65536, 'x') + "\r\n";
  EXPECT_NE(Ask(server_->port(), big + "0\r\n\r\n").find(" 413 "), std::string::npos);
  EXPECT_EQ(handled_, 1);
}

TEST_F(HttpServerTest, ALineBetweenChunksIsCapped) {
  Start();
  for (const std::string_view line : {"5;name=", "0\r\nTrailer: "}) {
    RawConnection connection(server_->port());
    connection.Write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(line));
    const std::string piece(64 << 10, 'a');
    std::size_t sent = 0;
    while (sent < (8u << 20) && connection.Write(piece)) sent += piece.size();
    EXPECT_NE(connection.Read("hint").find(" 413 "), std::string::npos) << line;
  }
  EXPECT_EQ(handled_, 0);
}

TEST_F(HttpServerTest, MalformedRequestsGet400AsAProblem) {
  Start();
  for (const std::string request :
       {"nonsense\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: x\r\n\r\n", "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"}) {
    const std::string answer = Ask(server_->port(), request);
    EXPECT_EQ(answer.substr(0, 13), "HTTP/1.1 400 ") << request << "\n" << answer;
    EXPECT_NE(answer.find("application/problem+json"), std::string::npos) << request;
  }
  EXPECT_EQ(handled_, 0);
  EXPECT_EQ(Client().Get("/")->status, 200);
}

TEST_F(HttpServerTest, HeadersPastTheCapGet431) {
  Start();
  EXPECT_NE(Ask(server_->port(), "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(17 << 10, 'y') + "\r\n\r\n").find(" 431 "),
            std::string::npos);
  EXPECT_NE(Ask(server_->port(), "GET /" + std::string(17 << 10, 'y') + " HTTP/1.1\r\nHost: x\r\n\r\n").find(" 431 "), std::string::npos);
  EXPECT_NE(
      Ask(server_->port(), "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(15 << 10, 'y') + "\r\nConnection: close\r\n\r\n").find(" 200 "),
      std::string::npos);
}

TEST_F(HttpServerTest, ALargeBodyIsRefusedByItsHeadAlone) {
  Start(nullptr, [](const HttpRequest& head) { return HttpAdmission{head.path == "/upload" ? 66u << 20 : 1u << 20, {}}; });
  RawConnection connection(server_->port());
  connection.Write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n");
  const std::string answer = connection.Read("hint");
  EXPECT_NE(answer.find(" 413 "), std::string::npos) << answer;
  EXPECT_EQ(handled_, 0);
  EXPECT_EQ(Client().Send("POST", "/upload", {}, std::string(2'000'000, 'x'))->status, 200);
  EXPECT_EQ(Client().Send("POST", "/upload", {}, std::string(67 << 20, 'x'))->status, 413);
}

TEST_F(HttpServerTest, RefusalsComeBeforeTheBodyIsRead) {
  Start(nullptr, [](const HttpRequest&) { return HttpAdmission{1000, ProblemResponse(Error(ErrorCode::kUnauthorized, "no token"))}; });
  const auto response = Client().Send("POST", "/", {}, std::string(5 << 20, 'x')).ValueOrDie();
  EXPECT_EQ(response.status, 401);
  EXPECT_NE(FindField(response.headers, "WWW-Authenticate"), "");
  EXPECT_EQ(handled_, 0);
}

TEST_F(HttpServerTest, AClientThatAsksFirstIsToldToGoOn) {
  Start();
  RawConnection connection(server_->port());
  connection.Write("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(connection.Read("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  connection.Write("ok");
  EXPECT_NE(connection.Read().find("POST / ok"), std::string::npos);
}

TEST_F(HttpServerTest, SlowHeadsAndSilentConnectionsEnd) {
  options_.header_timeout = milliseconds(100);
  Start();
  RawConnection silent(server_->port());
  EXPECT_EQ(silent.Read(), "");
  RawConnection slow(server_->port());
  slow.Write("GET / HTTP/1.1\r\nHo");
  EXPECT_NE(slow.Read().find(" 408 "), std::string::npos);
}

TEST_F(HttpServerTest, ABodyThatPausesGets408) {
  options_.body_pause = milliseconds(100);
  Start();
  RawConnection connection(server_->port());
  connection.Write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_NE(connection.Read().find(" 408 "), std::string::npos);
  EXPECT_EQ(handled_, 0);
}

TEST_F(HttpServerTest, ABodyThatTricklesBelowTheRateGets408) {
  options_.body_pause = milliseconds(10'000);
  options_.body_grace = milliseconds(300);
  options_.min_body_rate = 1 << 20;
  Start();
  RawConnection connection(server_->port());
  connection.Write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
  std::atomic<bool> stop{false};
  std::thread trickle([&] {
    while (!stop && connection.Write("x")) std::this_thread::sleep_for(milliseconds(5));
  });
  const std::string answer = connection.Read("hint");
  stop = true;
  trickle.join();
  EXPECT_NE(answer.find(" 408 "), std::string::npos) << answer;
}

TEST_F(HttpServerTest, ConnectionsAboveTheCapAreTurnedAwayAndOthersServed) {
  options_.max_connections = 2;
  Start();
  auto one = std::make_unique<RawConnection>(server_->port());
  RawConnection two(server_->port());
  for (RawConnection* connection : {one.get(), &two}) {
    connection->Write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(connection->Read("GET /").find(" 200 "), std::string::npos);
  }
  RawConnection three(server_->port());
  EXPECT_NE(three.Read().find(" 503 "), std::string::npos);
  two.Write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(two.Read("GET /").find(" 200 "), std::string::npos);
}

TEST_F(HttpServerTest, BodiesTogetherStayBelowTheBudget) {
  options_.max_buffered_bytes = 1000;
  Start();
  RawConnection hog(server_->port());
  hog.Write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\nExpect: 100-continue\r\n\r\n");
  hog.Read("100 Continue");
  EXPECT_EQ(Client().Send("POST", "/", {}, std::string(200, 'x'))->status, 503);
  hog.Write(std::string(900, 'y'));
  hog.Read("POST /");
  EXPECT_EQ(Client().Send("POST", "/", {}, std::string(200, 'x'))->status, 200);
}

TEST_F(HttpServerTest, ABodyCountsUntilItsRequestIsAnswered) {
  options_.max_buffered_bytes = 1000;
  std::promise<HttpResponder> asked;
  std::atomic<bool> first{true};
  Start([&](HttpRequest request, HttpResponder responder) {
    if (first.exchange(false)) return asked.set_value(responder);
    responder.Send(TextResponse(200, std::to_string(request.body.size())));
  });
  RawConnection held(server_->port());
  held.Write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n" + std::string(900, 'y'));
  const HttpResponder responder = asked.get_future().get();
  EXPECT_EQ(Client().Send("POST", "/", {}, std::string(200, 'x'))->status, 503);
  EXPECT_EQ(Client().Send("POST", "/", {}, std::string(100, 'x'))->status, 200);
  responder.Send(TextResponse(200, "done"));
  held.Read("done");
  EXPECT_EQ(Client().Send("POST", "/", {}, std::string(200, 'x'))->status, 200);
}

TEST_F(HttpServerTest, AStopLetsAnswersUnderWayFinishAndEndsTheRest) {
  std::promise<HttpResponder> asked;
  Start([&](HttpRequest, HttpResponder responder) { asked.set_value(responder); });
  RawConnection idle(server_->port());
  auto answer = std::async(std::launch::async, [&] { return Client().Get("/"); });
  HttpResponder responder = asked.get_future().get();
  server_->RequestStop();
  EXPECT_EQ(idle.Read(), "");
  responder.Send(TextResponse(200, "finished"));
  EXPECT_EQ(answer.get()->body, "finished");
  server_->Join();
  EXPECT_FALSE(Client().Get("/").ok());
}

TEST_F(HttpServerTest, AStopDoesNotWaitForEverForAnAnswerThatNeverComes) {
  options_.drain_timeout = milliseconds(100);
  std::promise<HttpResponder> asked;
  Start([&](HttpRequest, HttpResponder responder) { asked.set_value(responder); });
  auto answer = std::async(std::launch::async, [&] { return Client().Get("/"); });
  HttpResponder responder = asked.get_future().get();
  server_.reset();
  EXPECT_FALSE(answer.get().ok());
  responder.Send(TextResponse(200, "too late"));  // must not touch what is gone
}

TEST_F(HttpServerTest, AClientThatLeavesDoesNotHurtItsAnswer) {
  std::promise<HttpResponder> asked;
  std::atomic<bool> first{true};
  Start([&](HttpRequest, HttpResponder responder) {
    if (first.exchange(false)) return asked.set_value(responder);
    responder.Send(TextResponse(200, "ok"));
  });
  {
    RawConnection connection(server_->port());
    connection.Write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    asked.get_future().wait();
  }
  EXPECT_TRUE(Client().Get("/").ok());
  EXPECT_EQ(Client().Get("/")->body, "ok");
}

TEST_F(HttpServerTest, ManyClientsAtATime) {
  Start([](HttpRequest request, HttpResponder responder) {
    std::thread([responder, body = request.body] { responder.Send(TextResponse(200, body)); }).detach();
  });
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t) {
    clients.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string body = std::to_string(t) + ":" + std::to_string(i);
        const auto response = Client().Send("POST", "/", {}, body);
        if (response.ok() && response->body == body) ++good;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(good, 160);
}

TEST_F(HttpServerTest, ATakenPortAndABadAddressAreClearErrors) {
  Start();
  HttpServerOptions options;
  options.port = server_->port();
  const auto taken = HttpServer::Start(options, [](HttpRequest, HttpResponder) {});
  ASSERT_FALSE(taken.ok());
  EXPECT_NE(taken.status().message().find(std::to_string(options.port)), std::string::npos);
  options.address = "256.1.1.1";
  EXPECT_EQ(CodeOf(HttpServer::Start(options, [](HttpRequest, HttpResponder) {}).status()), ErrorCode::kBadSetting);
  EXPECT_TRUE(IsLoopbackAddress("127.0.0.1"));
  EXPECT_TRUE(IsLoopbackAddress("::1"));
  EXPECT_FALSE(IsLoopbackAddress("0.0.0.0"));
}

TEST_F(HttpServerTest, HeaderValuesCannotSplitTheAnswer) {
  Start([](HttpRequest request, HttpResponder responder) {
    auto response = TextResponse(200, "x");
    response.headers.emplace_back("X-Echo", std::string(request.Query("v")));
    responder.Send(std::move(response));
  });
  const std::string answer = Ask(server_->port(), "GET /?v=a%0d%0aX-Evil:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer.find("X-Evil"), std::string::npos);
}

TEST(HttpClient, NamesTheServerThatCannotBeReachedAndTimesOut) {
  std::mutex mutex;
  std::vector<HttpResponder> kept;
  HttpServerOptions options;
  auto server = HttpServer::Start(options, [](HttpRequest, HttpResponder) {}).ValueOrDie();
  const std::uint16_t port = server->port();
  server.reset();
  const auto refused = HttpClient("127.0.0.1", port).Get("/");
  EXPECT_EQ(CodeOf(refused.status()), ErrorCode::kNotReady);
  EXPECT_NE(refused.status().message().find(std::to_string(port)), std::string::npos);

  options.drain_timeout = milliseconds(1);
  server = HttpServer::Start(options, [&](HttpRequest, HttpResponder responder) {
             std::lock_guard lock(mutex);
             kept.push_back(responder);
           }).ValueOrDie();
  HttpClient client("127.0.0.1", server->port());
  client.set_timeout(milliseconds(100));
  EXPECT_EQ(CodeOf(client.Get("/").status()), ErrorCode::kRequestTimeout);
}

TEST(HttpClient, MultipartRoundTrip) {
  auto server =
      HttpServer::Start({}, [](HttpRequest request, HttpResponder responder) {
        const auto boundary = MultipartBoundary(request.Header("Content-Type"));
        if (!boundary.ok()) return responder.Send(boundary.status());
        const auto parts = ParseMultipart(request.body, *boundary);
        if (!parts.ok()) return responder.Send(parts.status());
        responder.Send(TextResponse(200, parts->at(0).name + "|" + parts->at(0).filename + "|" + std::string(parts->at(0).content)));
      }).ValueOrDie();
  const std::string body = BuildMultipart({{"a\"b", std::string("x\0y\r\n", 5), "f\r\n.pkl"}}, "BOUND");
  const auto response =
      HttpClient("127.0.0.1", server->port()).Send("POST", "/", {{"Content-Type", "multipart/form-data; boundary=BOUND"}}, body);
  EXPECT_EQ(response->body, std::string("a\"b|f\r\n.pkl|x\0y\r\n", 17));
}

}  // namespace
}  // namespace headrace::net
