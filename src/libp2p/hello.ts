/**
 * The greeting: the first message each way on a channel's stream, as this side means it and as it travels
 * (`Hello` in src/wire/frame.proto). Whether the two fit together is the core's decision, but for the protocol's version.
 */
import type { Greeting, Refusal, Remote } from '../core/ports.ts'
import { Hello, Lane, Role } from '../wire/generated/frame.ts'
import type { LaneName } from './channel.ts'
import { MalformedError } from './frame.ts'
import { messageOf } from './framed-stream.ts'
import { instanceBytes, isClusterId, isLife } from './ids.ts'
import { maxNameLength, maxReasonLength, protocolVersion } from './limits.ts'

/** What an end says of itself, besides what the core says. */
export interface Introduction {
  readonly greeting: Greeting
  readonly lane: LaneName
  /** 8 bytes that no other process has. */
  readonly instance: Uint8Array
  /** The signed address record; empty for a client. */
  readonly address: Uint8Array
  /** Name and version of the program. */
  readonly software: string
}

/** Why an end does not greet back. `superseded` never leaves the adapter: another channel takes its place. */
export interface HelloRefusal {
  readonly code: Refusal['code'] | 'superseded'
  readonly reason: string
}

/** What the other end said. */
export interface ReceivedHello {
  readonly remote: Remote
  readonly lane: LaneName
  /** In hex. */
  readonly instance: string
  readonly address: Uint8Array
  readonly software: string
}

/** The numbers of `Refusal` in frame.proto. */
const refusalCode: Record<HelloRefusal['code'], number> = {
  protocol: 1,
  network: 2,
  cluster: 3,
  duplicate: 4,
  busy: 5,
  superseded: 6,
  role: 7
}

const refusalNames = new Map(
  // Object.entries forgets that the keys are the union they were declared with.
  Object.entries(refusalCode).map(([name, code]) => [code, name as HelloRefusal['code']])
)

/** What is told to one that the allow lists keep out: nothing but that. */
const nobody: Greeting = {
  network: '',
  clusterId: '',
  generation: 0,
  role: 'peer',
  life: '',
  boot: 0,
  epoch: 0
}

export function encodeHello(own: Introduction, refusal?: HelloRefusal): Uint8Array {
  const isKeptOut = refusal?.code === 'role'
  const greeting = isKeptOut ? nobody : own.greeting
  return Hello.encode({
    protocol: protocolVersion,
    network: greeting.network,
    clusterId: greeting.clusterId,
    role: greeting.role === 'peer' ? Role.ROLE_PEER : Role.ROLE_CLIENT,
    life: greeting.life,
    boot: greeting.boot,
    epoch: greeting.epoch,
    generation: greeting.generation,
    lane: own.lane === 'main' ? Lane.LANE_MAIN : Lane.LANE_BULK,
    refusal: refusal?.reason.slice(0, maxReasonLength) ?? '',
    refusalCode: refusal === undefined ? 0 : refusalCode[refusal.code],
    address: isKeptOut ? new Uint8Array(0) : own.address,
    software: own.software,
    instance: own.instance
  })
}

/**
 * Reads a Hello that `peerId`, as the connection's handshake proved, has sent: what it says, or why it
 * refuses. Throws MalformedError; a Hello of another version of the protocol comes back as a refusal, whatever else
 * is in it.
 */
export function decodeHello(message: Uint8Array, peerId: string): ReceivedHello | HelloRefusal {
  const hello = parse(message)
  const refusal = refusalNames.get(hello.refusalCode)
  if (hello.refusalCode !== 0 || hello.refusal !== '') {
    return { code: refusal ?? 'busy', reason: hello.refusal.slice(0, maxReasonLength) }
  }
  if (hello.protocol !== protocolVersion) {
    return {
      code: 'protocol',
      reason: `one end speaks version ${hello.protocol} of the protocol, the other one ${protocolVersion}`
    }
  }
  checkFields(hello)
  const { network, clusterId, generation, life, boot, epoch } = hello
  const role = hello.role === Role.ROLE_PEER ? 'peer' : 'client'
  return {
    remote: { peerId, network, clusterId, generation, role, life, boot, epoch },
    lane: hello.lane === Lane.LANE_BULK ? 'bulk' : 'main',
    instance: Buffer.from(hello.instance).toString('hex'),
    // A copy: it is kept, and what it came in is larger.
    address: hello.address.slice(),
    software: hello.software
  }
}

export function isRefusal(answer: ReceivedHello | HelloRefusal): answer is HelloRefusal {
  return 'code' in answer
}

function parse(message: Uint8Array): Hello {
  try {
    return Hello.decode(message)
  } catch (error) {
    throw new MalformedError(`no greeting: ${messageOf(error)}`)
  }
}

function checkFields(hello: Hello): void {
  const isClient = hello.role === Role.ROLE_CLIENT
  if (!isClient && hello.role !== Role.ROLE_PEER) throw new MalformedError('a greeting without a role')
  if (isClient ? hello.life !== '' : !isLife(hello.life)) {
    throw new MalformedError(
      `a ${isClient ? 'client' : 'peer'} greets with the life "${hello.life.slice(0, 20)}"`
    )
  }
  if (hello.clusterId !== '' && !isClusterId(hello.clusterId))
    throw new MalformedError('a malformed cluster id')
  if (hello.network.length > maxNameLength || hello.software.length > maxNameLength) {
    throw new MalformedError('a name in a greeting is too long')
  }
  if (hello.instance.length !== instanceBytes) throw new MalformedError('a greeting without an instance')
  for (const number of [hello.boot, hello.epoch, hello.generation]) {
    if (!Number.isSafeInteger(number) || number < 0)
      throw new MalformedError('a number in a greeting is too large')
  }
}
