/** Mutants of the register: puts, gets, quorums, versions and the clock. */
import type { Mutant } from './mutant.ts'

export const registerMutants: readonly Mutant[] = [
  {
    name: 'ack-before-disk',
    does: 'a replica says that it has a record before its disk has it',
    breaks: ['G3', 'G4'],
    edits: {
      'register/replica.ts': [
        {
          find: '      await this.#components.store.merge(record)\n      return { done: {} }',
          replace:
            '      this.#components.store.merge(record).catch(() => undefined)\n      return { done: {} }'
        }
      ]
    }
  },
  {
    name: 'no-write-back',
    does: 'a get answers the newest record that it saw without seeing to it that a quorum has it',
    breaks: ['G4'],
    edits: {
      'register/get.ts': [
        { find: '  if (tally.isMet) return\n', replace: '  if (holders.length > 0) return\n' }
      ]
    }
  },
  {
    name: 'no-version-round',
    does: 'a put is stamped by the own clock alone, without asking a quorum for the newest version',
    breaks: ['G4'],
    edits: {
      'register/put.ts': [
        {
          find: "if (consistency === 'one') return placement.fence",
          replace: "if (consistency !== 'all') return placement.fence"
        }
      ]
    }
  },
  {
    name: 'ring-before-alone',
    does: 'puts and gets ask the ring before alone while two rings are in force',
    breaks: ['G4'],
    edits: {
      'register/placement.ts': [
        {
          find: 'for (const ring of topology.rings) {',
          replace: 'for (const ring of topology.rings.slice(0, 1)) {'
        }
      ]
    }
  },
  {
    name: 'ring-after-alone',
    does: 'puts and gets ask the ring after alone while two rings are in force',
    breaks: ['G4'],
    edits: {
      'register/placement.ts': [
        {
          find: 'for (const ring of topology.rings) {',
          replace: 'for (const ring of topology.rings.slice(-1)) {'
        }
      ]
    }
  },
  {
    name: 'votes-kept',
    does: 'a round goes on when the epoch moves: what is served at a newer epoch counts, over the rings of the older',
    breaks: ['log', 'G4'],
    edits: {
      'register/round.ts': [
        {
          find: 'if (operation.components.topology.current?.epoch !== this.#placement.epoch) return new EpochMovedError()',
          replace: 'if (operation.components.topology.current === undefined) return new EpochMovedError()'
        },
        {
          find: 'if (response.epoch !== epoch) return',
          replace: 'if (response.epoch < epoch) return'
        }
      ],
      'requests/dispatcher.ts': [
        {
          find: 'if (request.epoch !== log.epoch) return {}',
          replace: 'if (request.epoch > log.epoch) return {}'
        }
      ]
    }
  },
  {
    name: 'vote-of-its-arrival',
    does: 'a vote carries the epoch of its request, whatever is in force when its write is on disk',
    breaks: ['G4'],
    edits: {
      'requests/dispatcher.ts': [
        {
          find: 'const response: Response = { ...answer, epoch: log.epoch }',
          replace:
            'const aboutKey = request.readVersion ?? request.readRecord ?? request.writeRecord\n' +
            '    const isVote = aboutKey !== undefined && Object.keys(answer).length > 0\n' +
            '    const response: Response = { ...answer, epoch: isVote ? request.epoch : log.epoch }'
        },
        { find: 'if (lacks < log.epoch) {', replace: 'if (!isVote && lacks < log.epoch) {' },
        {
          find: 'if (request.epoch !== log.epoch) return {}',
          replace: 'if (request.epoch > log.epoch) return {}'
        }
      ]
    }
  },
  {
    name: 'half-is-a-quorum',
    does: 'half of the replicas are a quorum: floor(n / 2), at least one',
    breaks: ['G3', 'G4'],
    edits: {
      'register/quorum.ts': [
        {
          find: 'return Math.floor(replicas / 2) + 1',
          replace: 'return Math.max(1, Math.floor(replicas / 2))'
        }
      ]
    }
  },
  {
    name: 'version-from-memory',
    does: 'a replica answers a version that its disk does not have yet',
    breaks: ['G4'],
    edits: {
      'register/replica.ts': [
        {
          find: '  readonly #components: ReplicaComponents\n',
          replace:
            '  readonly #components: ReplicaComponents\n' +
            '  readonly #underWay = new Map<string, StoredRecord>()\n'
        },
        {
          find: '      await this.#components.store.merge(record)\n',
          replace:
            '      this.#underWay.set(formatPosition(record.position), record)\n' +
            '      await this.#components.store.merge(record)\n'
        },
        {
          find: 'const head = await this.#components.store.head(position)',
          replace:
            'const held = await this.#components.store.head(position)\n' +
            '      const coming = this.#underWay.get(formatPosition(position))\n' +
            '      const head = coming === undefined || (held?.version.time ?? 0) > coming.version.time ? held : coming'
        }
      ]
    }
  },
  {
    name: 'older-overwrites-newer',
    does: 'a replica keeps the record that came last, not the newest',
    breaks: ['G3', 'G4'],
    edits: {
      'register/replica.ts': [
        {
          find: '      await this.#components.store.merge(record)\n',
          replace:
            '      const held = await this.#components.store.head(record.position)\n' +
            '      if (held !== undefined) await this.#components.store.drop(held.position, held.version)\n' +
            '      await this.#components.store.merge(record)\n'
        }
      ]
    }
  },
  {
    name: 'delete-keeps-no-tombstone',
    does: 'a replica that takes a tombstone drops the record and keeps nothing',
    breaks: ['G3', 'G4'],
    edits: {
      'register/replica.ts': [
        {
          find: '      await this.#components.store.merge(record)\n',
          replace:
            '      await this.#components.store.merge(record)\n' +
            "      if (record.kind === 'tombstone') await this.#components.store.drop(record.position, record.version)\n"
        }
      ]
    }
  },
  {
    name: 'clock-gives-twice',
    does: 'the hybrid clock may give the time that it gave last once more',
    breaks: ['G4'],
    edits: { 'record/hybrid-clock.ts': [{ find: 'this.#last + 1,', replace: 'this.#last,' }] }
  },
  {
    name: 'writer-without-boot',
    does: 'the writer part of a version is that of the life, and wall clocks stand: after a restart a stamp may be used twice',
    breaks: ['G4'],
    edits: {
      'life.ts': [
        { find: '`${memberKey(self)}/${boot}`', replace: '`${memberKey(self)}/${Math.min(boot, 1)}`' }
      ],
      'record/hybrid-clock.ts': [
        {
          find: 'const wall = Math.floor(this.#clock.now() * microsecondsPerMs)',
          replace: 'const wall = 1_767_225_600_000_000'
        }
      ]
    }
  },
  {
    name: 'stamped-anew',
    does: 'a put that starts over at a new epoch gets a second stamp',
    breaks: ['G4'],
    edits: {
      'register/put.ts': [
        { find: 'if (record === undefined) {', replace: 'if (record === undefined || placement.epoch > 0) {' }
      ]
    }
  },
  {
    name: 'silence-means-no-effect',
    does: 'a write whose answer did not come counts as one that was not stored',
    breaks: ['G9'],
    edits: {
      'register/round.ts': [{ find: 'failure?.delivered ?? true', replace: 'failure === undefined' }],
      'register/operation.ts': [
        {
          find: 'return this.#isStoredSomewhere || this.#writesInFlight > 0',
          replace: 'return this.#isStoredSomewhere'
        }
      ]
    }
  },
  {
    name: 'new-life-votes-for-old',
    does: 'requests go to a peer id: a new life, with its empty store, votes as the one that was removed',
    breaks: ['log', 'G3', 'G4'],
    edits: {
      'requests/calls.ts': [
        {
          find: 'await this.#components.transport.request(to, body, options)',
          replace:
            'await this.#components.transport.request(\n' +
            '        this.#components.transport.remotes().find(({ peerId }) => peerId === to.peerId) ?? to,\n' +
            '        body,\n' +
            '        options\n' +
            '      )'
        }
      ]
    }
  }
]
