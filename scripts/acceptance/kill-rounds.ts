/**
 * Peers killed with kill -9 at random moments while clients put and get: one of five, and now and then all of them
 * at once. Each that is started again must find its store whole, or it would say that it joins anew, and every key
 * is read through it. Nothing acknowledged may be lost, and all that the clients saw is linearizable.
 */
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPeers, type PeerProcess } from '../../test/support/peers.ts'
import { underLoad } from './clients.ts'
import { expect, seen } from './report.ts'

/** How many times there is a kill; another number is given as ANNULUS_KILL_ROUNDS. */
const defaultRounds = 200

const peerCount = 5

/** One round in so many kills all of them. */
const allEvery = 5

/** The longest time that clients go on before the next kill, in ms. */
const longestPauseMs = 2_000

/** After so many rounds something is said. */
const tellEvery = 10

/** How often a client tries again what surely had no effect: for as long as all peers may be away. */
const retries = 1_000

/** How long a peer may take until it serves again, in ms. */
const readyTimeoutMs = 180_000

/** What a peer says that found its store damaged or set back. */
const complaints = /joins anew|damaged|lost/

export async function killRounds(folder: string): Promise<void> {
  const rounds = Number(process.env['ANNULUS_KILL_ROUNDS'] ?? defaultRounds)
  expect(Number.isInteger(rounds) && rounds > 0, 'ANNULUS_KILL_ROUNDS is a whole number from 1 on')
  const peers = await startPeers(folder, peerCount)
  seen(`${peerCount} peers serve`)
  await underLoad(peers, { retries, mayStayOpen: true }, async load => {
    for (let round = 1; round <= rounds; round++) {
      await sleep(randomInt(longestPauseMs))
      const victims = round % allEvery === 0 ? peers : [peers[randomInt(peers.length)]!]
      await Promise.all(victims.map(victim => victim.end()))
      await Promise.all(victims.map(startAgain))
      for (const victim of victims) await load.readAllThrough(victim)
      if (round % tellEvery !== 0 && round !== rounds) continue
      seen(`${round} rounds of kill -9`)
      load.expectNoFailure()
    }
    return peers
  })
  await Promise.all(peers.map(peer => peer.end('SIGTERM')))
}

async function startAgain(peer: PeerProcess): Promise<void> {
  await peer.start([], { readyTimeoutMs })
  const { stderr } = peer.running
  expect(!complaints.test(stderr), `the store of ${peer.data} is whole after kill -9: ${stderr}`)
}
