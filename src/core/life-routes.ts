/**
 * What one member answers others in one of its lives: each kind of request, who may ask it, and the part that serves
 * it. Those that concern the peer as a whole are in peer-routes.ts. Used by life.ts.
 */
import { sameMember, type MemberId } from './member.ts'
import type { AddressBook } from './ports.ts'
import { ensureMayPush } from './purge/gone-senders.ts'
import type { Replica } from './register/replica.ts'
import type { RequestBody, ResponseBody } from './rpc-types.ts'
import type { Liveness } from './liveness/liveness.ts'
import type { ReconcileResponder } from './movement/reconcile-responder.ts'
import type { RegisterLoad } from './movement/register-load.ts'
import type { MovementSource } from './movement/source.ts'
import type { Measurer } from './plan/measurer.ts'
import type { Asked, LifeRoutes } from './requests/dispatcher.ts'
import { serveLearn } from './requests/learn.ts'
import type { Acceptor } from './topology/acceptor.ts'
import type { TopologyLog } from './topology/log.ts'
import type { Petitioner } from './topology/petitioner.ts'
import type { Steward } from './topology/steward.ts'

/** The parts that serve. */
export interface LifeParts {
  readonly self: MemberId
  readonly log: TopologyLog
  readonly acceptor: Acceptor
  readonly steward: Steward
  readonly petitioner: Petitioner
  readonly liveness: Liveness
  readonly addresses: AddressBook
  /** See Life. */
  readonly others: () => MemberId[]
  readonly replica: Replica
  readonly load: RegisterLoad
  readonly source: MovementSource
  readonly responder: ReconcileResponder
  readonly measurer: Measurer
}

export function lifeRoutes(parts: LifeParts): LifeRoutes {
  return {
    ...registerRoutes(parts),
    ...logRoutes(parts),
    ...livenessRoutes(parts),
    ...movementRoutes(parts)
  }
}

function registerRoutes({ load, replica }: LifeParts) {
  return {
    readVersion: {
      atEpoch: true,
      roles: 'all',
      serve: message => load.during(replica.readVersion(message))
    },
    readRecord: {
      atEpoch: true,
      roles: 'all',
      serve: message => load.during(replica.readRecord(message))
    },
    writeRecord: {
      atEpoch: true,
      roles: 'all',
      changes: () => true,
      serve: (message, asked) => load.during(replica.writeRecord(message, asked.from))
    }
  } satisfies Partial<LifeRoutes>
}

function logRoutes(parts: LifeParts) {
  const { log, acceptor, steward } = parts
  return {
    // The envelope brings the log: there is nothing to add.
    fetchLog: { atEpoch: false, roles: 'all', serve: () => Promise.resolve({ done: {} }) },
    learn: {
      atEpoch: false,
      roles: 'peers',
      serve: message => serveLearn(log, message)
    },
    prepare: {
      atEpoch: false,
      roles: 'peers',
      serve: (message, asked) => acceptor.handlePrepare(asked.from, message)
    },
    accept: {
      atEpoch: false,
      roles: 'peers',
      serve: (message, asked) => acceptor.handleAccept(asked.from, message)
    },
    petition: {
      atEpoch: false,
      roles: 'all',
      changes: () => true,
      serve: (message, asked) => servePetition(parts, message, asked)
    },
    report: {
      atEpoch: true,
      roles: 'peers',
      serve: (message, asked) => steward.handleReport(asked.from, message)
    }
  } satisfies Partial<LifeRoutes>
}

function livenessRoutes(parts: LifeParts) {
  const { liveness } = parts
  return {
    ping: {
      atEpoch: false,
      roles: 'peers',
      serve: (message, asked) => liveness.handlePing(asked.from, message)
    },
    pingRequest: {
      atEpoch: false,
      roles: 'peers',
      serve: (message, asked) => liveness.handlePingRequest(asked.from, message)
    },
    listAddresses: { atEpoch: false, roles: 'all', serve: () => listAddresses(parts) }
  } satisfies Partial<LifeRoutes>
}

function movementRoutes({ log, source, responder, measurer }: LifeParts) {
  return {
    fetchRecords: {
      atEpoch: true,
      roles: 'peers',
      serve: (message, asked) => source.fetchRecords(message, asked)
    },
    offerVersions: { atEpoch: true, roles: 'peers', serve: message => source.offerVersions(message) },
    pushRecords: {
      atEpoch: true,
      roles: 'peers',
      serve: (message, asked) => {
        ensureMayPush(log.current, asked.from, message)
        return source.pushRecords(message, asked)
      }
    },
    compareNodes: {
      atEpoch: true,
      roles: 'peers',
      serve: (message, asked) => responder.compareNodes(message, asked)
    },
    listNodes: {
      atEpoch: true,
      roles: 'peers',
      serve: (message, asked) => responder.listNodes(message, asked)
    },
    streamNodes: {
      atEpoch: true,
      roles: 'peers',
      serve: (message, asked) => responder.streamNodes(message, asked)
    },
    measureRanges: {
      atEpoch: true,
      roles: 'all',
      serve: (message, asked) => measurer.serve(message, asked)
    }
  } satisfies Partial<LifeRoutes>
}

/** Acceptors note petitions; any other peer passes them on, for those who cannot reach an acceptor. */
function servePetition(
  { self, log, steward, petitioner }: LifeParts,
  message: NonNullable<RequestBody['petition']>,
  { from, timeoutMs, signal }: Asked
): Promise<ResponseBody> {
  const acceptors = log.current?.acceptors ?? []
  if (message.relayed || acceptors.some(acceptor => sameMember(acceptor, self)))
    return steward.handlePetition(from, message)
  return petitioner.relay(message, { timeoutMs, signal })
}

async function listAddresses({ addresses, others, liveness }: LifeParts): Promise<ResponseBody> {
  const own = await addresses.own()
  const known = others().map(({ peerId }) => addresses.of(peerId))
  return {
    addresses: {
      addresses: [own, ...known].filter(record => record !== undefined),
      rumours: liveness.view()
    }
  }
}
