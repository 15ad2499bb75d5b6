// live555-client tcp|udp URL: writes what live555, the RTSP library of many recorders, gives of a camera's H.264 to standard
// output, as a byte stream (Rec. ITU-T H.264, Annex B).
#include <BasicUsageEnvironment.hh>
#include <liveMedia.hh>
#include <cstdlib>
#include <iostream>
#include <string>

static bool by_tcp;
static MediaSession *session;
static MediaSubsession *video;

// What ends the client: an answer that is no good, or the end of the stream.
static void end(const char *why) {
    std::cerr << why << "\n";
    exit(1);
}

static void check(int status, char *text) {
    if (status != 0) end(text ? text : "no answer");
    delete[] text;
}

static void ended(void *) { end("the stream has ended"); }

static void playing(RTSPClient *, int status, char *text) { check(status, text); }

static void set_up(RTSPClient *client, int status, char *text) {
    check(status, text);
    UsageEnvironment &env = client->envir();
    // A picture may have so many bytes.
    auto *sink = H264VideoFileSink::createNew(env, "stdout", video->fmtp_spropparametersets(), 1 << 20);
    video->sink = sink;
    sink->startPlaying(*video->readSource(), ended, nullptr);
    if (video->rtcpInstance()) video->rtcpInstance()->setByeHandler(ended, nullptr);
    client->sendPlayCommand(*session, playing);
}

static void described(RTSPClient *client, int status, char *text) {
    if (status != 0) check(status, text);
    session = MediaSession::createNew(client->envir(), text);
    delete[] text;
    if (!session) end(client->envir().getResultMsg());
    MediaSubsessionIterator all(*session);
    while ((video = all.next()) && std::string(video->mediumName()) != "video") {}
    if (!video || !video->initiate()) end("no video that it knows");
    client->sendSetupCommand(*video, set_up, False, by_tcp);
}

// The client's own notice of a lost connection goes to whoever plays over it alone, so the socket is looked at.
static void look(void *data) {
    auto *client = static_cast<RTSPClient *>(data);
    if (client->socketNum() < 0) end("the connection has ended");
    client->envir().taskScheduler().scheduleDelayedTask(200000, look, data);
}

int main(int, char **words) {
    TaskScheduler *scheduler = BasicTaskScheduler::createNew();
    UsageEnvironment *env = BasicUsageEnvironment::createNew(*scheduler);
    by_tcp = std::string(words[1]) == "tcp";
    RTSPClient *client = RTSPClient::createNew(*env, words[2]);
    client->sendDescribeCommand(described);
    look(client);
    scheduler->doEventLoop();
}
