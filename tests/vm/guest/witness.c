// witness ADDRESS PORT: what the kernel's SMB client wants of a witness, told to somebody else line
// by line over TCP, and his answers handed to the kernel. It runs until that connection ends.
//
//   register ID SERVER SHARE ADDRESS     the client wants to be told about ADDRESS
//   unregister ID                        it does not any more
// and the other way, each answered with "done" or "failed: why":
//   move ID ADDRESS                      go there
//   state ID NAME up|down                the resource NAME is there, or is gone
//   create FILE                          make an empty file, which the script beside waits for
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/cifs/cifs_netlink.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kBuffer = 65536, kUp = 1, kDown = 255, kResourceChange = 1, kClientMove = 2 };

struct message {
  struct nlmsghdr head;
  struct genlmsghdr generic;
  char attributes[1024];
};

static int kernel;  // the socket to it
static FILE* peer;
static unsigned short family;
static unsigned group;

static void die(const char* what) {
  fprintf(stderr, "witness: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void tell(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(peer, format, arguments);
  va_end(arguments);
  if (fflush(peer) != 0) die("tell");
}

static void begin(struct message* out, unsigned short type, unsigned char command) {
  memset(out, 0, sizeof *out);
  out->head.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
  out->head.nlmsg_type = type;
  out->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  out->generic.cmd = command;
  out->generic.version = 1;
}

static void add(struct message* out, unsigned short kind, const void* data, size_t size) {
  struct nlattr* attribute = (struct nlattr*)((char*)out + NLMSG_ALIGN(out->head.nlmsg_len));
  if ((char*)attribute + NLA_HDRLEN + size > (char*)out + sizeof *out) exit(1);
  attribute->nla_type = kind;
  attribute->nla_len = (unsigned short)(NLA_HDRLEN + size);
  memcpy((char*)attribute + NLA_HDRLEN, data, size);
  out->head.nlmsg_len = NLMSG_ALIGN(out->head.nlmsg_len) + NLA_ALIGN(attribute->nla_len);
}

static void add_number(struct message* out, unsigned short kind, unsigned number) {
  add(out, kind, &number, sizeof number);
}

// Calls back for each attribute.
typedef void visitor(unsigned kind, const char* data, size_t size, void* into);
static void each(const char* data, size_t size, visitor* visit, void* into) {
  while (size >= NLA_HDRLEN) {
    const struct nlattr* attribute = (const struct nlattr*)data;
    if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > size) return;
    visit(attribute->nla_type & NLA_TYPE_MASK, data + NLA_HDRLEN, attribute->nla_len - NLA_HDRLEN,
          into);
    const size_t step = NLA_ALIGN(attribute->nla_len);
    if (step >= size) return;
    data += step;
    size -= step;
  }
}

static void of_group(unsigned kind, const char* data, size_t size, void* into) {
  (void)size;
  if (kind == CTRL_ATTR_MCAST_GRP_ID) memcpy(into, data, sizeof(unsigned));
}
static void of_groups(unsigned kind, const char* data, size_t size, void* into) {
  (void)kind;
  each(data, size, of_group, into);
}
static void of_family(unsigned kind, const char* data, size_t size, void* into) {
  (void)into;
  if (kind == CTRL_ATTR_FAMILY_ID) memcpy(&family, data, sizeof family);
  if (kind == CTRL_ATTR_MCAST_GROUPS) each(data, size, of_groups, &group);
}

struct registration {
  unsigned id;
  char server[256], share[256], address[INET6_ADDRSTRLEN];
};
static void of_registration(unsigned kind, const char* data, size_t size, void* into) {
  struct registration* wanted = into;
  struct sockaddr_storage address = {0};
  switch (kind) {
    case CIFS_GENL_ATTR_SWN_REGISTRATION_ID:
      memcpy(&wanted->id, data, sizeof wanted->id);
      break;
    case CIFS_GENL_ATTR_SWN_NET_NAME:
      snprintf(wanted->server, sizeof wanted->server, "%.*s", (int)size, data);
      break;
    case CIFS_GENL_ATTR_SWN_SHARE_NAME:
      snprintf(wanted->share, sizeof wanted->share, "%.*s", (int)size, data);
      break;
    case CIFS_GENL_ATTR_SWN_IP:
      memcpy(&address, data, size < sizeof address ? size : sizeof address);
      inet_ntop(address.ss_family,
                address.ss_family == AF_INET6 ? (void*)&((struct sockaddr_in6*)&address)->sin6_addr
                                              : (void*)&((struct sockaddr_in*)&address)->sin_addr,
                wanted->address, sizeof wanted->address);
      break;
  }
}

// Sends one; the kernel's answer: 0, or what was wrong. What else comes meanwhile is worked on.
static int receive(int wait_for_answer);
static int transact(struct message* out) {
  if (send(kernel, out, out->head.nlmsg_len, 0) < 0) die("send");
  return receive(1);
}

// All that is there; until an answer, if one is waited for.
static int receive(int wait_for_answer) {
  static char buffer[kBuffer];
  for (;;) {
    ssize_t size = recv(kernel, buffer, sizeof buffer, wait_for_answer ? 0 : MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return 0;
    if (size < 0) die("receive");
    for (struct nlmsghdr* head = (struct nlmsghdr*)buffer; NLMSG_OK(head, size);
         head = NLMSG_NEXT(head, size)) {
      if (head->nlmsg_type == NLMSG_ERROR) {
        if (wait_for_answer) return -((struct nlmsgerr*)NLMSG_DATA(head))->error;
        continue;
      }
      const struct genlmsghdr* generic = NLMSG_DATA(head);
      const char* attributes = (const char*)generic + GENL_HDRLEN;
      const size_t length = head->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN);
      if (head->nlmsg_type == GENL_ID_CTRL) {
        each(attributes, length, of_family, NULL);
        continue;
      }
      struct registration wanted = {0};
      each(attributes, length, of_registration, &wanted);
      if (generic->cmd == CIFS_GENL_CMD_SWN_REGISTER) {
        tell("register %u %s %s %s\n", wanted.id, wanted.server, wanted.share, wanted.address);
      } else if (generic->cmd == CIFS_GENL_CMD_SWN_UNREGISTER) {
        tell("unregister %u\n", wanted.id);
      }
    }
  }
}

static int notify(unsigned id, unsigned type, const char* name, const char* what) {
  struct message out;
  begin(&out, family, CIFS_GENL_CMD_SWN_NOTIFY);
  add_number(&out, CIFS_GENL_ATTR_SWN_REGISTRATION_ID, id);
  add_number(&out, CIFS_GENL_ATTR_SWN_NOTIFICATION_TYPE, type);
  if (type == kResourceChange) {
    add(&out, CIFS_GENL_ATTR_SWN_RESOURCE_NAME, name, strlen(name) + 1);
    add_number(&out, CIFS_GENL_ATTR_SWN_RESOURCE_STATE, strcmp(what, "up") == 0 ? kUp : kDown);
  } else {
    struct sockaddr_storage address = {0};
    struct sockaddr_in* v4 = (struct sockaddr_in*)&address;
    struct sockaddr_in6* v6 = (struct sockaddr_in6*)&address;
    if (inet_pton(AF_INET, what, &v4->sin_addr) == 1) {
      address.ss_family = AF_INET;
    } else if (inet_pton(AF_INET6, what, &v6->sin6_addr) == 1) {
      address.ss_family = AF_INET6;
    } else {
      return EINVAL;
    }
    add(&out, CIFS_GENL_ATTR_SWN_IP, &address, sizeof address);
  }
  return transact(&out);
}

static int carry_out(const char* line) {
  char word[256], more[256];
  unsigned id;
  if (sscanf(line, "move %u %255s", &id, word) == 2) return notify(id, kClientMove, "", word);
  if (sscanf(line, "state %u %255s %255s", &id, word, more) == 3) {
    return notify(id, kResourceChange, word, more);
  }
  if (sscanf(line, "create %255s", word) == 1) {
    const int file = open(word, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    return file < 0 ? errno : (close(file), 0);
  }
  return EINVAL;
}

int main(int count, char** words) {
  if (count != 3) return 2;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)atoi(words[2]))};
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (inet_pton(AF_INET, words[1], &address.sin_addr) != 1) return 2;
  if (connect(connection, (struct sockaddr*)&address, sizeof address) != 0) die("connect");
  peer = fdopen(connection, "w");
  kernel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
  struct message out;
  begin(&out, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
  add(&out, CTRL_ATTR_FAMILY_NAME, CIFS_GENL_NAME, sizeof CIFS_GENL_NAME);
  if ((errno = transact(&out)) != 0 || group == 0) die("no witness in this kernel");
  if (setsockopt(kernel, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    die("membership");
  }
  tell("ready\n");

  static char input[kBuffer];
  size_t filled = 0;
  for (;;) {
    struct pollfd waits[] = {{.fd = kernel, .events = POLLIN},
                             {.fd = connection, .events = POLLIN}};
    if (poll(waits, 2, -1) < 0) continue;
    if (waits[0].revents) receive(0);
    if (!waits[1].revents) continue;
    const ssize_t got = read(connection, input + filled, sizeof input - 1 - filled);
    if (got <= 0) return 0;
    filled += (size_t)got;
    input[filled] = 0;
    char* line = input;
    for (char* end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
      *end = 0;
      const int wrong = carry_out(line);
      if (wrong) {
        tell("failed: %s: %s\n", line, strerror(wrong));
      } else {
        tell("done\n");
      }
    }
    filled -= (size_t)(line - input);
    memmove(input, line, filled);
  }
}
