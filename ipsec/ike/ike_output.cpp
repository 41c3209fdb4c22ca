#include "ipsec/ike/ike_output.hpp"

namespace godwit::ike {

std::string_view to_string(IkeDrop reason) {
  switch (reason) {
    case IkeDrop::Truncated: return "ike truncated";
    case IkeDrop::Malformed: return "ike malformed";
    case IkeDrop::UnsupportedVersion: return "ike version";
    case IkeDrop::UnknownSpi: return "ike unknown spi";
    case IkeDrop::UnexpectedExchange: return "ike unexpected exchange";
    case IkeDrop::NotAuthentic: return "ike not authentic";
    case IkeDrop::OutsideWindow: return "ike outside window";
    case IkeDrop::Duplicate: return "ike duplicate";
    case IkeDrop::UnexpectedResponse: return "ike unexpected response";
    case IkeDrop::UnknownPeer: return "ike unknown peer";
    case IkeDrop::WrongKey: return "ike wrong key";
    case IkeDrop::NoProposal: return "ike no proposal";
    case IkeDrop::HalfOpenLimit: return "ike half-open limit";
    case IkeDrop::WeakKeyExchange: return "ike weak key exchange";
  }
  return "?";
}

std::string_view to_string(IkeSessionState state) {
  switch (state) {
    case IkeSessionState::Connecting: return "connecting";
    case IkeSessionState::Established: return "established";
    case IkeSessionState::Closing: return "closing";
  }
  return "?";
}

}  // namespace godwit::ike
