# Everything here comes from Debian 12 packages; packages.txt lists them.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(PkgConfig REQUIRED)

function(braid_pkg target)
  pkg_check_modules(${target} REQUIRED IMPORTED_TARGET ${ARGN})
  add_library(${target} ALIAS PkgConfig::${target})
endfunction()

braid_pkg(nettle nettle)
braid_pkg(liblz4 liblz4)
braid_pkg(krb5 krb5-gssapi krb5)
braid_pkg(libcap libcap)
braid_pkg(libseccomp libseccomp)
braid_pkg(rdma libibverbs librdmacm)
braid_pkg(tdb tdb)
braid_pkg(utf8proc libutf8proc)

# Only for processors of that kind, and without it OpenSSL does it all. It has no pkg-config file.
find_path(BRAID_MULTI_BUFFER_HEADER intel-ipsec-mb.h)
find_library(BRAID_MULTI_BUFFER_LIBRARY IPSec_MB)
