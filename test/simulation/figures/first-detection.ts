/**
 * How long a failed peer goes unnoticed: from its failure until the first ping of it that fails (Das, Gupta and
 * Motivala 2002, sections 3.1 and 4.3). What analysis says, and what is measured.
 *
 * SWIM counts in protocol periods of whoever notices first, the one in which it does included. Each of the n - 1
 * others pings one member in each period, so the failed one goes unnoticed for k periods with probability
 * s(k)^(n - 1), where s(k) is the chance that it is none of the next k that one peer pings; the mean is the sum over
 * all k. A peer that draws each at random has s(k) = (1 - 1/(n - 1))^k, and the sum is 1/(1 - s(1)^(n - 1)), which
 * grows to e/(e - 1). One that goes in rounds over a shuffled list misses it less often; see `missedInRounds`.
 */
import { LivenessWorld } from './world.ts'
import { sampled, type Sampled } from './statistics.ts'

/** SWIM's limit for many peers, in protocol periods. */
export const limitPeriods = Math.E / (Math.E - 1)

/** Mean number of periods where each peer draws at random whom to ping. */
export function periodsAtRandom(peers: number): number {
  return 1 / (1 - (1 - 1 / (peers - 1)) ** (peers - 1))
}

/** Mean number of periods where each goes in rounds. */
export function periodsInRounds(peers: number): number {
  let mean = 0
  for (let k = 0; k <= 2 * (peers - 1); k++) mean += missedInRounds(peers, k) ** (peers - 1)
  return mean
}

/**
 * The same as time, in periods: peers do not ping in step, and a ping fails where it falls in its period, not at the
 * period's end. Within a period the chance of having missed it falls in a straight line from s(k) to s(k + 1).
 */
export function timeInRounds(peers: number): number {
  const steps = 1_000
  let mean = 0
  for (let k = 0; k < 2 * (peers - 1); k++) {
    const [from, to] = [missedInRounds(peers, k), missedInRounds(peers, k + 1)]
    for (let step = 0; step < steps; step++) {
      mean += (from + ((to - from) * (step + 0.5)) / steps) ** (peers - 1) / steps
    }
  }
  return mean
}

/**
 * The chance that a peer's next k pings all go to others, at some moment of its rounds of m = n - 1 members. With r
 * of a round left, all r equally likely, k of r miss with probability 1 - k/m; beyond them the member must have had
 * its turn already in this round, 1 - r/m, and come late in the next, 1 - (k - r)/m. Never in 2m - 1 or more.
 */
function missedInRounds(peers: number, k: number): number {
  const m = peers - 1
  let sum = 0
  for (let r = 1; r <= m; r++) {
    sum += k <= r ? 1 - k / m : (1 - r / m) * Math.max(0, 1 - (k - r) / m)
  }
  return sum / m
}

export interface FirstDetection {
  /** As SWIM counts: pings that whoever notices first has sent since the failure, the failing one included. */
  readonly periods: Sampled
  /** Ms from the failure until that ping is sent. */
  readonly sentMs: Sampled
}

/**
 * Measured on the pings of healthy peers: until the first one to a failed peer fails, the others do as if nothing had
 * happened, so any moment and any peer will do as a failure, and its first ping from another one would have failed.
 * Several peers may fail in turn at one moment, each by itself.
 */
export async function firstDetection(init: {
  readonly seed: number
  readonly peers: number
  readonly moments: number
  readonly failuresAtOnce: number
}): Promise<FirstDetection> {
  const { peers } = init
  const world = new LivenessWorld(init)
  const pings: Array<{ atMs: number; from: number; to: number }> = []
  world.onPing = ({ from, to, hasFailed }) => {
    if (hasFailed === undefined) pings.push({ atMs: world.time.nowMs, from, to })
  }
  // All have gone through some of their rounds: else all of them would be at the beginning of one.
  await world.time.run(2 * peers * periodMs)
  pings.length = 0
  const beginMs = world.time.nowMs
  await world.time.run((init.moments + 1) * momentMs + 2 * peers * periodMs)
  const [periods, sentMs]: [number[], number[]] = [[], []]
  let begin = 0
  for (let moment = 0; moment < init.moments; moment++) {
    const failedMs = beginMs + (moment + world.random.float()) * momentMs
    while (pings[begin]!.atMs <= failedMs) begin++
    const failed = Array.from({ length: peers }, (_, index) => index)
    for (let i = 0; i < init.failuresAtOnce; i++) {
      const [victim = 0] = failed.splice(world.random.integer(failed.length), 1)
      let first = begin
      while (pings[first]!.to !== victim || pings[first]!.from === victim) first++
      const { atMs, from: by } = pings[first]!
      sentMs.push(atMs - failedMs)
      periods.push(pings.slice(begin, first + 1).filter(({ from }) => from === by).length)
    }
  }
  world.stop()
  return { periods: sampled(periods), sentMs: sampled(sentMs) }
}

/** One protocol period in ms, by default. */
export const periodMs = 1_000

/** Between two moments of failure on average, in ms: three times as long as the first ping takes. */
const momentMs = 3 * periodMs

/**
 * Measured on peers that do fail, each in a world of its own: ms until the first ping of it has failed. One that is
 * killed closes its channels, which the others notice by themselves; one that vanishes answers nothing.
 */
export async function firstFailedPing(init: {
  readonly seed: number
  readonly peers: number
  readonly samples: number
  readonly how: 'killed' | 'vanished'
}): Promise<Sampled> {
  const { peers, samples, how } = init
  const values: number[] = []
  for (let sample = 0; sample < samples; sample++) {
    const world = new LivenessWorld({ seed: init.seed + sample, peers })
    await world.time.run((1 + world.random.float()) * peers * periodMs)
    const victim = world.random.integer(peers)
    let hasFailed = false
    world.onPing = ping => (hasFailed ||= ping.to === victim && ping.hasFailed === true)
    const failedMs = world.time.nowMs
    if (how === 'killed') world.kill(victim)
    else world.peers[victim]!.freeze()
    await world.time.until(() => hasFailed, 2 * peers * periodMs)
    values.push(world.time.nowMs - failedMs)
    world.stop()
  }
  return sampled(values)
}
