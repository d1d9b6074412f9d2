/**
 * What the failure detector can be tuned by, and the limits that nobody tunes. The values are memberlist's for
 * a local network unless a reason is given.
 */

export interface LivenessConfig {
  /** One member is probed in turn every so many ms: the protocol period of SWIM. */
  readonly probeIntervalMs: number
  /** Ms to wait for an ack before others are asked to ping too: above nearly every round trip. */
  readonly probeTimeoutMs: number
  /** How many others are asked to ping a member that did not ack. */
  readonly indirectProbes: number
  /** The shortest suspicion, in probe intervals times max(1, log10 n): time to hear of it and to refute it. */
  readonly suspicionFactor: number
  /** The longest suspicion, in shortest ones: how long a lone accuser waits for others to confirm. */
  readonly suspicionMaxFactor: number
  /** Independent confirmations that bring a suspicion down to its shortest. */
  readonly confirmations: number
  /** Highest score of the local health: own intervals and timeouts stretch up to 1 + this. */
  readonly maxAwareness: number
  /**
   * Whether whoever pings a suspect tells it so, ahead of all news (Lifeguard's buddy system). If not, a suspect
   * hears of it as everyone else does, by chance.
   */
  readonly tellAccused: boolean
  /** While there are rumours to spread, some are sent every so many ms. Nothing is sent when there are none. */
  readonly gossipIntervalMs: number
  /** To how many members at a time. */
  readonly gossipFanout: number
  /** A rumour is sent this times log10(n + 1) times by each who hears it. */
  readonly retransmitFactor: number
  /**
   * A timer that fires later than this many ms after its time says that this process stood still: half a probe
   * timeout, since an ack that is so late can be taken for a missing one.
   */
  readonly lateTimerMs: number
  /** One that is so late says that the others may have given up on requests to this process meanwhile, in ms. */
  readonly standstillMs: number
  /** The first pause before a member that is down is tried again, in ms. */
  readonly redialMinMs: number
  /** The longest such pause: each failure doubles it. Bounds how long a healed partition goes unnoticed. */
  readonly redialMaxMs: number
}

export const lan: LivenessConfig = {
  probeIntervalMs: 1_000,
  probeTimeoutMs: 500,
  indirectProbes: 3,
  suspicionFactor: 4,
  suspicionMaxFactor: 6,
  confirmations: 2,
  maxAwareness: 8,
  tellAccused: true,
  gossipIntervalMs: 200,
  gossipFanout: 3,
  retransmitFactor: 4,
  lateTimerMs: 250,
  standstillMs: 1_000,
  redialMinMs: 1_000,
  redialMaxMs: 5_000
}

/** Bytes of rumours in one message: about eight, so that a message stays within one packet. */
export const maxRumourBytes = 1_200

/** Rumours taken in from one message: more than `maxRumourBytes` holds, plus those said directly. */
export const maxRumoursHeard = 64

/** Bytes of a signed address record: some dozens of multiaddrs. Larger ones are not passed on. */
export const maxAddressRecordBytes = 2_048

/** Bytes of signed address records in one message: several usual ones, and always one of the largest. */
export const maxAddressBytes = maxAddressRecordBytes

/** Address records taken in from one message: each costs a check of its signature. */
export const maxAddressesHeard = 16

/** Address records that wait to be passed on; the most often sent one makes room. */
export const maxAddressesQueued = 256

/** Members that are down and tried again in one probe interval, so that half a cluster gone costs no more. */
export const maxRedialsPerInterval = 8

/** Probes for others in flight; above it the answer is "not reached" at once. */
export const maxRelayedProbes = 64

/** A relay waits for this share of its requester's time, so that its "not reached" still arrives in time. */
export const relayShare = 0.8
