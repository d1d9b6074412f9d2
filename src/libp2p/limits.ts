/** Limits and times of the libp2p adapter, each with its unit and reason. */

/** Version of the protocol that a Hello names; ends of different versions refuse each other. */
export const protocolVersion = 1

/** The protocol's name on libp2p, behind the configured prefix. */
export const defaultProtocolPrefix = '/annulus'
export const protocolSuffix = '/1.0.0'

/** Ms for the first message of the other end; a stream opened and left is closed then. */
export const greetingTimeoutMs = 5_000

/** Ms for a dial with its handshakes, to all addresses of a peer together. */
export const dialTimeoutMs = 5_000

/** Ms during which requests share the failure of the last dial, so that a burst of them makes one dial. */
export const redialDelayMs = 100

/** Ms that a running process of the same identity has to answer, before a newcomer takes its place. */
export const probeTimeoutMs = 1_000

/** Ms between two questions to a peer whether it still has the life it greeted with. */
export const lifeCheckIntervalMs = 1_000

/** Ms that an end whose channel lost to one opened at the same moment waits for the winner to be greeted. */
export const supersededWaitMs = 1_000

/** Ms that one who stops waits for the other end to say that no more requests are on their way. */
export const goodbyeMs = 500

/** Ms for a closed stream's last bytes to leave; then it is reset. */
export const lingerMs = 1_000

/** Ms after which a second connection to a peer, unused by then, is closed. Both ends may have dialled at once. */
export const surplusConnectionMs = 2_000

/** Requests in flight on one channel: 16 times what saturates two cores, so that only a fault reaches it. */
export const maxInFlight = 4_096

/** Requests of one channel being served. A core works on few at a time; the rest only queue for the disk. */
export const maxServedPerChannel = 2_048

/** Requests being served on all channels together. */
export const maxServed = 8_192

/** Bytes of the requests of one channel being served: several of the largest. */
export const maxServedBytesPerChannel = 32 * 1024 * 1024

/** Bytes of the requests being served on all channels together: what a small machine can spare. */
export const maxServedBytes = 256 * 1024 * 1024

/** Bytes of requests waiting to be written to one channel. Above it they fail: the other end reads too slowly. */
export const maxQueuedRequestBytes = 8 * 1024 * 1024

/** Bytes waiting in all, from which on an answer is replaced by a short error. Above that of requests: work done counts more. */
export const maxQueuedReplyBytes = 32 * 1024 * 1024

/** Frames waiting, from which on the channel is closed: whoever asks so much and reads nothing means harm. */
export const maxQueuedFrames = 65_536

/** Bytes handed to the stream at once: a few Noise frames, so that what is queued can still be withdrawn. */
export const writeBatchBytes = 256 * 1024

/** Streams of the protocol on one connection and direction: two lanes, and their successors while they close. */
export const maxStreams = 8

/** Peers with an open channel, clients among them. */
export const maxPeers = 4_096

/** UTF-16 units of a reason that travels in a Hello or an error; longer ones are cut. */
export const maxReasonLength = 512

/** UTF-16 units of a network's name or a software's name in a Hello. */
export const maxNameLength = 256

/** Bytes of a Hello: its texts and one address record. */
export const maxHelloBytes = 16 * 1024

/** Bytes that may arrive behind a Hello while the end that got it is still making up its mind. */
export const maxHeldBytes = 8 * 1024 * 1024

/** Bytes of a signed address record, and addresses in it. */
export const maxAddressRecordBytes = 8 * 1024
export const maxAddressesPerPeer = 32

/** Peers whose addresses are kept: twice the members of the largest topology. */
export const maxKnownPeers = 2_048

/** Value of the tag on members in libp2p's peer store: libp2p prunes connections to peers of lower values first. */
export const memberTagValue = 50

/** New connections a second that one host may make: all members of a cluster may run on one, and start at once. */
export const maxConnectionsPerHostAndSecond = 2_000

/** Bytes that may be under way on one stream: what libp2p buffers for a stream that nobody reads, before it resets it. */
export const maxStreamWindowBytes = 4 * 1024 * 1024
