#include "stack/core/result.hpp"

namespace godwit {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::Truncated: return "truncated";
    case Errc::Malformed: return "malformed";
    case Errc::Unsupported: return "unsupported";
    case Errc::NotFound: return "not found";
    case Errc::Refused: return "refused";
    case Errc::AuthFailed: return "authentication failed";
    case Errc::Replayed: return "replayed";
    case Errc::Exhausted: return "exhausted";
    case Errc::Busy: return "busy";
    case Errc::BadState: return "wrong state";
    case Errc::SystemFailure: return "system failure";
  }
  return "unknown";
}

}  // namespace godwit
