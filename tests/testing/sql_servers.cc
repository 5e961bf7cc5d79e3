// SPDX-License-Identifier: Apache-2.0
#include "testing/sql_servers.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace ragtime {
namespace {

constexpr uid_t kNobody = 65534;
constexpr auto kStartTimeout = std::chrono::seconds(60);

// Starts a program with its output in `output`, as nobody where this is root.
pid_t Spawn(const std::vector<std::string>& command, int output, const std::string& folder) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  if (::getuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) ::_exit(126);
  if (::chdir(folder.c_str()) != 0) ::_exit(126);
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::setenv("HOME", folder.c_str(), 1);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

// Its threads run on for a moment after the signal, long enough for an answer.
void AwaitStop(pid_t process) {
  const auto stopped = [](const std::filesystem::path& thread) {
    std::string line;
    std::getline(std::ifstream(thread / "stat"), line);
    const size_t name_end = line.rfind(") ");
    return name_end == std::string::npos || line[name_end + 2] == 'T' || line[name_end + 2] == 'Z';
  };
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task", gone)) {
    for (int i = 0; i < 2000 && !stopped(thread.path()); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

class Postgresql : public SqlServer {
 public:
  bool Prepare() {
    std::string output;
    const std::string initdb = Program("initdb");
    if (Run({initdb, "-D", folder() + "/data", "-A", "trust", "-U", "admin", "--no-sync", "-E", "UTF8", "--locale=C"},
            &output) != 0) {
      ADD_FAILURE() << "initdb of postgresql-15 cannot be run: " << output;
      return false;
    }
    std::ofstream(folder() + "/data/pg_hba.conf") << "local all admin trust\nlocal all all scram-sha-256\n";
    if (!Start()) return false;
    Admin("CREATE ROLE ragtime LOGIN PASSWORD E's''e\\\\c@r t'");
    Admin("CREATE DATABASE catalogs OWNER ragtime");
    return true;
  }

 protected:
  std::string Uri(const std::string& user) const override {
    return "postgresql://" + user + "@/catalogs?host=" + folder();
  }
  std::vector<std::string> ServerCommand() const override {
    return {Program("postgres"), "-D", folder() + "/data", "-k", folder(), "-c",
            "listen_addresses=", "-c", "fsync=off"};
  }
  std::vector<std::string> AdminCommand() const override {
    return {"psql", "-X", "-q", "-t", "-A", "-h", folder(), "-U", "admin", "postgres", "-c"};
  }
  std::string KillStatement() override {
    return "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ragtime'";
  }

 private:
  static std::string Program(const std::string& name) {
    const std::string debian = "/usr/lib/postgresql/15/bin/" + name;
    return std::filesystem::exists(debian) ? debian : name;
  }
};

class Mariadb : public SqlServer {
 public:
  bool Prepare() {
    std::string output;
    if (Run({"mariadb-install-db", "--no-defaults", "--datadir=" + folder() + "/data", "--skip-test-db",
             "--auth-root-authentication-method=normal"},
            &output) != 0) {
      ADD_FAILURE() << "mariadb-install-db of mariadb-server cannot be run: " << output;
      return false;
    }
    if (!Start()) return false;
    Admin("CREATE DATABASE catalogs");
    Admin("CREATE USER ragtime@localhost IDENTIFIED BY 's\\'e\\\\c@r t'");
    Admin("GRANT ALL ON catalogs.* TO ragtime@localhost");
    return true;
  }

 protected:
  std::string Uri(const std::string& user) const override {
    return "mysql://" + user + "@localhost/catalogs?socket=" + folder() + "/socket";
  }
  std::vector<std::string> ServerCommand() const override {
    const std::string daemon = std::filesystem::exists("/usr/sbin/mariadbd") ? "/usr/sbin/mariadbd" : "mariadbd";
    return {daemon,
            "--no-defaults",
            "--datadir=" + folder() + "/data",
            "--socket=" + folder() + "/socket",
            "--pid-file=" + folder() + "/pid",
            "--skip-networking",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=0"};
  }
  std::vector<std::string> AdminCommand() const override {
    return {"mariadb", "--no-defaults", "-N", "-B", "--socket=" + folder() + "/socket", "-u", "root", "-e"};
  }
  std::string KillStatement() override {
    std::string kills = "SELECT 1";
    const std::string ids =
        Admin("SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE user='ragtime'");
    for (const char c : "\n" + ids) kills += c == '\n' ? ';' : c;
    return kills;
  }
};

template <typename Server>
std::unique_ptr<SqlServer> Prepared() {
  auto server = std::make_unique<Server>();
  if (!server->Prepare()) return nullptr;
  return server;
}

}  // namespace

SqlServer::SqlServer() {
  if (::getuid() == 0) {
    EXPECT_EQ(::chown(folder().c_str(), kNobody, kNobody), 0);
  }
}

SqlServer::~SqlServer() { Kill(); }

std::unique_ptr<SqlServer> SqlServer::StartPostgresql() { return Prepared<Postgresql>(); }
std::unique_ptr<SqlServer> SqlServer::StartMariadb() { return Prepared<Mariadb>(); }

int SqlServer::Run(const std::vector<std::string>& command, std::string* output) const {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return -1;
  const pid_t pid = Spawn(command, ends[1], folder());
  ::close(ends[1]);
  std::array<char, 4096> buffer{};
  for (ssize_t size = 0; (size = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    output->append(buffer.data(), static_cast<size_t>(size));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string SqlServer::Admin(const std::string& sql) {
  std::string output;
  std::vector<std::string> command = AdminCommand();
  command.push_back(sql);
  EXPECT_EQ(Run(command, &output), 0) << sql << ": " << output;
  return output;
}

void SqlServer::KillClients() {
  std::string output;
  std::vector<std::string> command = AdminCommand();
  command.push_back(KillStatement());
  (void)Run(command, &output);  // A connection that has ended meanwhile is no matter.
}

bool SqlServer::Start() {
  const int log = ::open((folder() + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  pid_ = Spawn(ServerCommand(), log, folder());
  ::close(log);
  std::string output;
  for (const auto until = std::chrono::steady_clock::now() + kStartTimeout; std::chrono::steady_clock::now() < until;) {
    std::vector<std::string> command = AdminCommand();
    command.push_back("SELECT 1");
    if (Run(command, &output) == 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  ADD_FAILURE() << ServerCommand()[0] << " does not answer: " << output.substr(0, 2000);
  return false;
}

void SqlServer::Stall(bool stalled) {
  std::string children;
  std::getline(std::ifstream("/proc/" + std::to_string(pid_) + "/task/" + std::to_string(pid_) + "/children"),
               children);
  const int signal = stalled ? SIGSTOP : SIGCONT;
  std::vector<pid_t> processes = {pid_};
  std::istringstream ids(children);
  for (pid_t id = 0; ids >> id;) processes.push_back(id);
  for (const pid_t id : processes) ::kill(id, signal);
  if (!stalled) return;
  for (const pid_t id : processes) AwaitStop(id);
}

void SqlServer::Kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

}  // namespace ragtime
