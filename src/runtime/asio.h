// The one include of Asio, so that its cost stays in few files.
#pragma once

#include <boost/asio.hpp>
