/**
 * What a user of the library sees: the types of a peer, a client and their calls. A key is text (taken as
 * UTF-8) or bytes, 1 byte to 1 KiB; a value is bytes, up to 4 MiB. Every call throws `AnnulusError`.
 */

export type Key = string | Uint8Array

/**
 * How many of a key's replicas must take part. `quorum` (a majority) is linearizable; `all` is so too and
 * fails when one replica cannot be reached; `one` is fast and promises nothing about order or durability
 * beyond one replica.
 */
export type Consistency = 'one' | 'quorum' | 'all'

export interface CallOptions {
  /** Gives up when it aborts, with ERR_ABORTED. */
  readonly signal?: AbortSignal
  /** How long the call may take, in ms. Default 10,000; at most 60,000. */
  readonly deadline?: number
}

export interface ChangeOptions extends CallOptions {
  /** Told, in words, what the change waits for, each time that this is another thing. */
  readonly onWaiting?: (reason: string) => void
}

export interface OperationOptions extends CallOptions {
  /** Default `quorum`. */
  readonly consistency?: Consistency
}

export interface PutOptions extends OperationOptions {
  /** The value expires so many ms from now, by the coordinator's clock. Default: never. */
  readonly ttl?: number
}

export interface PutResult {
  /** `time.writer.rmw`: orders the writes of this key. */
  readonly version: string
  /** How many replicas were known to have it on disk when the call returned. */
  readonly replicas: number
}

export interface GetResult {
  readonly value: Uint8Array
  readonly version: string
  /** When the value expires, in ms since 1970; undefined when it does not. */
  readonly expiresAt: number | undefined
}

export interface Location {
  readonly key: string
  /** SHA-256 of the key, in hex. */
  readonly position: string
  /** The peer ids of its replicas, a list for each ring in force (two during a transition). */
  readonly replicas: string[][]
}

export type MemberStanding = 'joining' | 'up' | 'leaving' | 'left' | 'removing' | 'removed'
export type MemberLiveness = 'alive' | 'suspect' | 'down'

export interface MemberInfo {
  readonly peerId: string
  readonly life: string
  readonly addresses: string[]
  readonly standing: MemberStanding
  readonly liveness: MemberLiveness
  readonly vnodes: number
  /** Share of all copies that it holds by the ring; the members' shares sum to 1. */
  readonly share: number
}

/**
 * What is wrong with what another peer or a client says. `malformed`: it cannot be read, is out of bounds or makes no
 * sense. `unknown`: a request that this version does not know. `role`: it may not ask this. `foreign`: its network or
 * cluster is another one. `forged`: it speaks for somebody else, without that one's signature where it takes one.
 * `log`: an entry that may not follow, or contradicts what is decided. `ahead`: a write whose stamp is far ahead of the
 * clock here; it was taken all the same.
 */
export type RefusalKind = 'malformed' | 'unknown' | 'role' | 'foreign' | 'forged' | 'log' | 'ahead'

/** What was refused of one peer or client. */
export interface RefusedPeer {
  readonly peerId: string
  /** How often, by what was wrong. */
  readonly kinds: Readonly<Partial<Record<RefusalKind, number>>>
  /** The last time, in words. */
  readonly last: string
}

export interface Refused {
  /** How often, by what was wrong. */
  readonly kinds: Readonly<Partial<Record<RefusalKind, number>>>
  /** Of whom, the latest first; at most 16. */
  readonly peers: readonly RefusedPeer[]
}

/** How a limit of docs/security.md stands. */
export interface LimitUse {
  readonly limit: number
  /** How much of it is in use now: of a limit per connection or channel, at the fullest one; null where that says nothing. */
  readonly inUse: number | null
  /** How often something was refused, closed or forgotten over it since the member was started. */
  readonly hits: number
}

export interface MemberStatus extends MemberInfo {
  /** Records held, tombstones among them; null when the member did not answer. */
  readonly records: number | null
  /** Bytes of those records as encoded; null when the member did not answer. */
  readonly bytes: number | null
  /** Records that are damaged on its disk and not repaired yet; null when the member did not answer. */
  readonly damaged: number | null
  /**
   * What keeps it from comparing its records with those of the others, or from writing, in words; it tries again by itself.
   * Null where nothing does, or when the member did not answer.
   */
  readonly trouble: string | null
  /**
   * Records that it has sent to move them, since it started or joined anew, each as often as it was sent; puts and repairs do not
   * count. Null when the member did not answer.
   */
  readonly sentRecords: number | null
  /** Bytes of those as encoded; null when the member did not answer. */
  readonly sentBytes: number | null
  /** What it has refused of others since it was started; null when the member did not answer. */
  readonly refused: Refused | null
  /** Its limits by their names; null when the member did not answer. */
  readonly limits: Readonly<Record<string, LimitUse>> | null
  /** Version of the program, for example "0.1.0"; null when the member did not answer. */
  readonly version: string | null
}

export interface TransferStatus {
  /** The member that moves records. */
  readonly peerId: string
  /**
   * `take`: fetches what it is to replicate; `reconcile`: makes what it replicates equal with another replica;
   * `hand-over`: offers what it no longer replicates.
   */
  readonly kind: 'take' | 'reconcile' | 'hand-over'
  /** Records sent or received so far. */
  readonly records: number
  readonly bytes: number
  /** Records that are still to move, as far as can be told; more may be found. */
  readonly recordsLeft: number
  /** Bytes of records per second, over the last 15 seconds. */
  readonly bytesPerSecond: number
  /** How long it will take at that rate, in seconds; null where that cannot be told. */
  readonly secondsLeft: number | null
  /** What it waits for, in words, or null. */
  readonly waitsFor: string | null
}

/** How a transfer goes that this peer has begun; of one that finds nothing to move nothing is told. */
export interface TransferEvent extends TransferStatus {
  /** `began`: it found something to move, or has to wait. `progress`: at most one a second. */
  readonly phase: 'began' | 'progress' | 'ended'
}

export interface TransitionStatus {
  /** Epoch of the open entry, and of the latest amendment. */
  readonly opened: number
  readonly latest: number
  readonly joining: string[]
  readonly leaving: string[]
  readonly removing: string[]
  /** What it waits for before it can close, in words, as far as an acceptor that answers knows. */
  readonly waitingFor: string[]
}

export interface Status {
  readonly network: string
  readonly clusterId: string
  readonly epoch: number
  /** The replication factor, N. */
  readonly replicas: number
  /**
   * Deletes of before this time are forgotten for good, and so is what expired before it; in ms since 1970, null
   * where nothing was purged yet.
   */
  readonly purgedBefore: number | null
  readonly members: MemberStatus[]
  readonly transition: TransitionStatus | null
  readonly transfers: TransferStatus[]
}

/** A change of the members that is to be planned. */
export type Change =
  | {
      readonly kind: 'join'
      /** Whose tokens it would bring. Left out: a made-up peer's, for what a joiner would typically get. */
      readonly peerId?: string
      /** Default 128. */
      readonly vnodes?: number
    }
  | { readonly kind: 'leave'; readonly peerId: string }

export interface PlanOptions extends CallOptions {
  /** Told of how many ranges the records are counted; begins anew where the members change meanwhile. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void
}

export interface PlannedMove {
  /** Peer id of the member that would have these records no more, or would share them. */
  readonly from: string
  /** Peer id of the one that would take them; null: a joiner whose peer id is not known. */
  readonly to: string | null
  readonly records: number
  /** Of those records as encoded. */
  readonly bytes: number
}

/** What a change would move, tombstones among it. */
export interface Plan {
  /** `peerId` is null for a joiner that was not named. */
  readonly change: {
    readonly kind: 'join' | 'leave'
    readonly peerId: string | null
    readonly vnodes: number
  }
  readonly records: number
  readonly bytes: number
  /** Of all copies the part that would move, by the ring: that of the records too, as soon as they are many. */
  readonly share: number
  /** What `share` would be if it went by the vnodes alone: 1/(n + 1) for one that joins n others of its size. */
  readonly expectedShare: number
  /** Copies of each record: N, or the number of members where that is smaller. */
  readonly copies: { readonly before: number; readonly after: number }
  /** Of the topology that it was planned on. */
  readonly epoch: number
  /** Another change is under way: the plan is for when that is through. */
  readonly isUnderWay: boolean
  readonly moves: PlannedMove[]
}

export interface RestoreOptions extends CallOptions {
  /** The cluster's id, as a sign that the loss is accepted. */
  readonly acceptLoss?: string
}

/** What a restore would come to, or came to. Members by peer id, in order. */
export interface Restoration {
  readonly clusterId: string
  /** Of the topology that it starts from; where it is done, of the one that it made. */
  readonly epoch: number
  readonly survivors: string[]
  /** Those who are removed, and their copies given up. */
  readonly lost: string[]
  /** The share of all keys, 0 to 1, that no survivor has a copy of: they are gone. */
  readonly gone: number
  /** The share of all keys of which too few survivors have copies: their latest writes may be gone. */
  readonly atRisk: number
  /** False where it was only asked what it would come to. */
  readonly isDone: boolean
}

/** What peers and clients have in common. */
export interface KeyValueStore {
  put(key: Key, value: Uint8Array, options?: PutOptions): Promise<PutResult>
  /** Undefined where there is no such key, or it was deleted or has expired. */
  get(key: Key, options?: OperationOptions): Promise<GetResult | undefined>
  /** Deletes a key, whether it exists or not. */
  delete(key: Key, options?: OperationOptions): Promise<PutResult>
  /** Where a key lies, by the topology known here. */
  locate(key: Key, options?: CallOptions): Promise<Location>
  /** The members by the topology known here. */
  members(options?: CallOptions): Promise<MemberInfo[]>
  /** The members with what each says of itself. */
  status(options?: CallOptions): Promise<Status>
  /**
   * What a change of the members would move, from whom to whom; changes nothing. One replica of each range is
   * asked what it holds. Takes as long as there are records to count, unless a deadline is given.
   * Throws ERR_INVALID, ERR_REFUSED where the change could never be made, and ERR_QUORUM or ERR_UNREACHABLE where
   * all replicas of a range are away.
   */
  plan(change: Change, options?: PlanOptions): Promise<Plan>
  /**
   * All live keys, each once, in ring order; a listing, not a snapshot. The deadline is that of each page.
   * Throws ERR_QUORUM where so many members are away that keys would be left out.
   */
  keys(options?: CallOptions): AsyncIterable<Uint8Array>
  /**
   * Has a member hand over what it holds and leave for good. Resolves when the topology shows it gone.
   * `peerId` may be left out: the peer itself, or the one that a client is connected to. Takes as long as there
   * are records to move, unless a deadline is given; past it (ERR_OUTCOME_UNKNOWN) the change goes on.
   */
  leave(peerId?: string, options?: ChangeOptions): Promise<void>
  /**
   * Removes a member that will not come back, and replicates anew what it held. Resolves when the topology
   * shows it gone; deadline as for `leave`. Refused (ERR_REFUSED) where the only copies of some range would be
   * lost, unless `acceptLoss`.
   */
  remove(peerId: string, options?: ChangeOptions & { readonly acceptLoss?: boolean }): Promise<void>
  /**
   * The last resort where so many members are lost for good that the others can no longer agree on a change:
   * goes on with the survivors alone, and removes all others, whose copies are given up. To be asked of a survivor.
   * Without `acceptLoss`, which is the cluster's id, it changes nothing and says what it would come to. See
   * docs/operations.md. Throws ERR_INVALID where a survivor is no member, and ERR_REFUSED where one does not
   * answer, where somebody else does, or where the members can still agree.
   */
  restore(survivors: readonly string[], options?: RestoreOptions): Promise<Restoration>
}

export interface Events {
  /** The log moved: a new epoch is on disk. */
  topology: { readonly epoch: number; readonly transition: TransitionStatus | null }
  /** A member's liveness changed, as seen from here. */
  liveness: { readonly peerId: string; readonly liveness: MemberLiveness }
  /** The peer's join is agreed and it serves. */
  ready: { readonly peerId: string; readonly multiaddrs: string[] }
  /** What the peer waits for while it is not ready, in words. */
  waiting: { readonly reason: string }
  /** This peer moves records. */
  transfer: TransferEvent
  /** Deleted and expired records of before a time, in ms since 1970, are dropped from this peer's store. */
  purged: { readonly before: number; readonly records: number }
  /** The peer is no member any more: it left, or the others removed it (then it joins anew by itself). */
  gone: { readonly standing: 'left' | 'removed' }
  /** The peer stopped by itself, and why. */
  failed: { readonly error: Error }
}

export interface Emitter {
  on<K extends keyof Events>(event: K, listener: (event: Events[K]) => void): () => void
}

/** A client that may connect: its peer id, in base58btc, alone or with what it may do. */
export type AllowedClient =
  | string
  | {
      readonly peerId: string
      /** It may get, list and look around, and neither put nor delete, nor change the members. Default false. */
      readonly readOnly?: boolean
    }

/**
 * Who may connect, and as what, by peer id. With neither list it is whoever can, as whatever it says. As soon as one is
 * given, all who are on none are shut out: with `allow` alone all clients, with `allowClients` alone all other members.
 */
export interface AllowLists {
  /** Members of the cluster, and those that may join it. They may connect as clients too. */
  readonly allow?: readonly string[]
  /** Clients. One that is on `allow` too is a member. */
  readonly allowClients?: readonly AllowedClient[]
}

export interface Peer extends KeyValueStore, Emitter {
  readonly peerId: string
  /** Where it listens, with its peer id; empty before it started. */
  readonly multiaddrs: string[]
  /** Resolves when the join is agreed and the peer serves; waits as long as that takes. */
  ready(options?: { readonly signal?: AbortSignal }): Promise<void>
  /**
   * Puts these lists in the place of those that it was started with. Who is on none any more, or was a member and is
   * not, is disconnected at once; who is new gets in. Taking a member off the list does not remove it from the
   * cluster: `remove` does. Throws ERR_INVALID, and then the lists in force stay.
   */
  setAllowed(lists: AllowLists): void
  /** Stops. It stays a member: stopping is not leaving. */
  stop(): Promise<void>
}

export interface Client extends KeyValueStore {
  /** What the lists of peers know it by: another one each time, unless it was given an identity. */
  readonly peerId: string
  /** Closes all connections. */
  close(): Promise<void>
}

export interface ClusterSettings {
  /** Name of the network: peers of different names refuse each other. Default "annulus". */
  readonly network?: string
  /** Copies of each record (N), 1 to 15; all peers of a cluster agree. Default: 3, or the cluster's. */
  readonly replicas?: number
  /** Virtual nodes of this peer, 1 to 1024, fixed when it joins. Default 128. */
  readonly vnodes?: number
  /** Multiaddrs of peers to join. None, and no topology on disk: founds a cluster. */
  readonly join?: readonly string[]
  /** After so many ms of being down a member is removed; 0: never. Default 600,000. */
  readonly removeAfter?: number
  /**
   * What this peer may send and fetch to move records, in bytes per second, 64,000 or more. Requests for keys are
   * not counted. Default 33,554,432 (32 MiB).
   */
  readonly transferRate?: number
  /**
   * At what rate this peer reads its records over and over, to find and repair those that have gone bad on its disk
   * though nobody asked for them; in bytes per second, a record of less than 1,024 counting for as many. 0: never.
   * Default 1,048,576 (1 MiB).
   */
  readonly scrubRate?: number
  /**
   * How many bytes of records, as encoded, this peer may hold; 1,048,576 (1 MiB) or more. At so many it refuses new values
   * (ERR_FULL where too many replicas do); gets go on, deletes and copies of what the cluster holds have a margin of an
   * eighth and a sixteenth. Default: no limit.
   */
  readonly maxDiskBytes?: number
}

export interface PeerInit extends ClusterSettings, AllowLists {
  /** Where to listen. Default `/ip4/127.0.0.1/tcp/0`. */
  readonly listen?: readonly string[]
  /** Addresses to tell others instead of those listened on. */
  readonly announce?: readonly string[]
  /** Folder for identity, topology and records; made if missing. Left out: all in memory. */
  readonly data?: string
  /** Pre-shared key of a private libp2p network, the contents of a key file. */
  readonly networkKey?: Uint8Array
  readonly logger?: Logger
}

export interface ClientInit {
  /** Multiaddrs of peers, tried in order. */
  readonly peers: readonly string[]
  readonly network?: string
  readonly networkKey?: Uint8Array
  /** Path of a file that `annulus identity new` has made: whose peer id it has. Left out: a new one each time. */
  readonly identityFile?: string
  /** The private key itself instead, as libp2p's `privateKeyToProtobuf` writes it. */
  readonly privateKey?: Uint8Array
  /**
   * `direct` (the default): learns the topology and talks to replicas itself, and through a peer only to
   * those it cannot dial. `forward`: sends everything through one peer.
   */
  readonly mode?: 'direct' | 'forward'
  readonly logger?: Logger
}

export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}
