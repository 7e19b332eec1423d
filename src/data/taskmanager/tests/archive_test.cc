#include "data/taskmanager/archive.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/random.h"

namespace headrace::data::taskmanager {
namespace {

/// A fresh folder, and archives made by Python's tarfile.
class ArchiveTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "/headrace-archive-" + std::to_string(::getpid());
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_ + "/out");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  /// `body` uses add(name, data=b"…", type=tarfile.REGTYPE, mode=0o644).
  std::string Make(const std::string& body, const std::string& format = "PAX_FORMAT") {
    std::ofstream(root_ + "/make.py") << "import io, sys, tarfile\nout = tarfile.open('" << root_ << "/a.tgz', 'w:gz', format=tarfile."
                                      << format
                                      << ")\ndef add(name, data=b'', type=tarfile.REGTYPE, mode=0o644, link=''):\n  i = "
                                         "tarfile.TarInfo(name); i.size = len(data); i.type = type; i.mode = mode; i.linkname = link; "
                                         "out.addfile(i, io.BytesIO(data))\n"
                                      << body << "\nout.close()\n";
    EXPECT_EQ(std::system(("python3 " + root_ + "/make.py").c_str()), 0);
    return Read(root_ + "/a.tgz");
  }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::string out() const { return root_ + "/out"; }
  std::string root_;
};

TEST_F(ArchiveTest, FilesFoldersAndModesArrive) {
  const std::string archive =
      Make("add('a.txt', b'alpha')\nadd('pkg', type=tarfile.DIRTYPE)\nadd('pkg/sub/b.py', b'x' * 1000000, mode=0o755)\nadd('empty')");
  ASSERT_TRUE(UnpackArchive(archive, out()).ok());
  EXPECT_EQ(Read(out() + "/a.txt"), "alpha");
  EXPECT_EQ(Read(out() + "/pkg/sub/b.py"), std::string(1000000, 'x'));
  EXPECT_TRUE(std::filesystem::exists(out() + "/empty"));
  EXPECT_EQ(::access((out() + "/pkg/sub/b.py").c_str(), X_OK), 0);
}

TEST_F(ArchiveTest, LongAndForeignNamesArrive) {
  for (const char* format : {"PAX_FORMAT", "GNU_FORMAT"}) {
    std::filesystem::remove_all(out());
    std::filesystem::create_directories(out());
    const Status status =
        UnpackArchive(Make("add('d' * 90 + '/' + 'e' * 90 + '/' + 'f' * 90, b'long')\nadd('žluť', b'utf8')", format), out());
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(Read(out() + "/" + std::string(90, 'd') + "/" + std::string(90, 'e') + "/" + std::string(90, 'f')), "long");
    EXPECT_EQ(Read(out() + "/žluť"), "utf8");
  }
}

TEST_F(ArchiveTest, NothingLeavesItsFolder) {
  for (const char* body :
       {"add('../evil', b'x')", "add('/tmp/headrace-evil', b'x')", "add('a/../../evil', b'x')",
        "add('link', type=tarfile.SYMTYPE, link='/etc')\nadd('link/x', b'x')", "add('hard', type=tarfile.LNKTYPE, link='/etc/passwd')",
        "add('fifo', type=tarfile.FIFOTYPE)", "add('a', b'1')\nadd('a', b'2')", "add('a', b'1')\nadd('a/b', b'2')"}) {
    std::filesystem::remove_all(out());
    std::filesystem::create_directories(out());
    EXPECT_FALSE(UnpackArchive(Make(body), out()).ok()) << body;
    EXPECT_FALSE(std::filesystem::exists(root_ + "/evil"));
    EXPECT_FALSE(std::filesystem::exists("/tmp/headrace-evil"));
  }
}

TEST_F(ArchiveTest, BombsAndDamageAreRefused) {
  ArchiveLimits limits;
  limits.max_bytes = 1 << 20;
  limits.max_entries = 10;
  EXPECT_FALSE(UnpackArchive(Make("add('big', bytes(5000000))"), out(), limits).ok());
  EXPECT_FALSE(UnpackArchive(Make("for i in range(20): add('f%d' % i)"), out(), limits).ok());
  EXPECT_FALSE(UnpackArchive("not gzip", out()).ok());
  const std::string good = Make("add('one', b'1' * 3000)\nadd('two', b'2' * 3000)");
  SeededRandom random(3);
  for (int i = 0; i < 60; ++i) {
    std::filesystem::remove_all(out());
    std::filesystem::create_directories(out());
    std::string bad = good;
    bad[random.Uniform(bad.size())] ^= static_cast<char>(1 << random.Uniform(8));
    (void)UnpackArchive(bad.substr(0, bad.size() - random.Uniform(3) * random.Uniform(bad.size())), out());
  }
}

}  // namespace
}  // namespace headrace::data::taskmanager
