// An initiator put together from the wire forms, that can say what a sane peer never would. It
// authenticates itself with a shared secret.
#pragma once

#include "ipsec/ike/auth_exchange.hpp"
#include "ipsec/ike/key_schedule.hpp"
#include "ipsec/ike/message.hpp"
#include "ipsec/ike/sa_init_exchange.hpp"
#include "tests/ipsec/ike/ike_fixture.hpp"

namespace godwit::ike {

class RawInitiator {
 public:
  static constexpr IkeSpi spi{0x1122334455667788};
  static constexpr Spi child_spi{0xc0de0001};

  explicit RawInitiator(IkeConfig config = {})
      : host_{"b.example", key_of(2), {}, 5, config}, rng_{9} {
    host_.endpoint->add_peer(peer("a.example", std::nullopt, secret("s")));
  }

  IkeHost& host() { return host_; }
  IkeEndpoint& endpoint() { return *host_.endpoint; }
  Instant now{1000s};
  Path path = IkeWire::path_of(1);  // as the endpoint sees us

  // What the endpoint answers; empty: nothing.
  std::vector<ByteString> exchange(Bytes datagram) {
    endpoint().handle_datagram(path, datagram, now);
    std::vector<ByteString> answers;
    for (SendDatagram& answer : host_.drain(now)) answers.push_back(std::move(answer.bytes));
    return answers;
  }

  void init(const NatNotifies& nat = {}) {
    KeyExchange share = KeyExchange::generate(KeyExchangeMethod::X25519, rng_);
    SaInit mine{offered_for_ike(),
                31,
                to_byte_string(share.public_value()),
                ByteString(nonce_length, 0xaa),
                true,
                nat};
    first_message_ = mine.write(
        {.initiator_spi = spi, .responder_spi = {}, .exchange = ExchangeType::IkeSaInit});
    const auto answers = exchange(first_message_);
    ASSERT_EQ(answers.size(), 1u);
    const IkeHeader header = *IkeHeader::parse(answers[0]);
    responder_spi_ = header.responder_spi;
    const auto payloads =
        parse_payloads(header.next_payload, Bytes{answers[0]}.subspan(IkeHeader::length));
    const Result<SaInit> theirs = SaInit::parse(*payloads);
    ASSERT_TRUE(theirs);
    suite_ = *accepted_ike(theirs->proposals);
    nonces_ = {mine.nonce, theirs->nonce};
    keys_ = derive_ike_keys(suite_, nonces_, spi, responder_spi_,
                            share.agree(theirs->public_value)->bytes());
    sealing_.emplace(suite_.cipher, keys_.encrypt_initiator.bytes());
    opening_.emplace(suite_.cipher, keys_.encrypt_responder.bytes());
  }

  // What a sane initiator says, to be changed by the test before it is sent.
  AuthContents auth() {
    AuthContents contents;
    contents.own_id = IdPayload::fqdn("a.example");
    const IkeIdentity identity{"a.example", nullptr};
    contents.auth =
        make_auth(AuthMethod::SharedKey, identity, peer("b.example", std::nullopt, secret("s")),
                  *contents.own_id,
                  {first_message_, nonces_.responder, keys_.prove_initiator.bytes(), suite_.prf});
    contents.transport_mode = true;
    contents.initial_contact = true;
    contents.godwit = true;
    contents.mobility = ByteString{1};
    contents.window = 16;
    contents.proposals = offered_for_esp(EspSuite::Aes256Gcm16, child_spi);
    contents.initiator_selectors = {TrafficSelector::host(path.remote.address)};
    contents.responder_selectors = {TrafficSelector::host(path.local.address)};
    return contents;
  }

  ByteString sealed(ExchangeType type, std::uint32_t id, const PayloadChain& payloads) {
    return sealed_octets(type, id, payloads.first(), payloads.bytes());
  }
  // A message whose SK payload contains these octets, sane or not.
  ByteString sealed_octets(ExchangeType type, std::uint32_t id, PayloadType first, Bytes octets) {
    const IkeHeader header{
        .initiator_spi = spi, .responder_spi = responder_spi_, .exchange = type, .message_id = id};
    return sealing_->seal(header, first, octets);
  }

  struct Opened {
    PayloadType first;
    ByteString clear;
    std::vector<NotifyType> notifies() const {
      std::vector<NotifyType> types;
      const auto payloads = parse_payloads(first, clear);
      for (const PayloadView& payload : *payloads) {
        if (payload.type == PayloadType::Notify) {
          types.push_back(NotifyPayload::parse(payload.body)->type);
        }
      }
      return types;
    }
    AuthContents auth() const {
      return *AuthContents::parse(Role::Responder, *parse_payloads(first, clear));
    }
  };
  Opened open(Bytes datagram) {
    const auto opened = opening_->open(*IkeHeader::parse(datagram), datagram);
    EXPECT_TRUE(opened);
    return {opened->first, opened->payloads};
  }
  // Sends, and opens the one answer.
  Opened ask(ExchangeType type, std::uint32_t id, const PayloadChain& payloads) {
    const auto answers = exchange(sealed(type, id, payloads));
    EXPECT_EQ(answers.size(), 1u);
    return answers.empty() ? Opened{PayloadType::None, {}} : open(answers[0]);
  }
  Opened ask_auth(const AuthContents& contents) {
    return ask(ExchangeType::IkeAuth, 1, contents.write(Role::Initiator));
  }
  void establish() {
    init();
    ask_auth(auth());
    ASSERT_TRUE(endpoint().is_established(the_other));
  }

 private:
  IkeHost host_;
  SeededRng rng_;
  ByteString first_message_;
  IkeSpi responder_spi_;
  Nonces nonces_;
  IkeSuite suite_{};
  IkeKeys keys_;
  std::optional<MessageCipher> sealing_;
  std::optional<MessageCipher> opening_;
};

}  // namespace godwit::ike
