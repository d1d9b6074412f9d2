/** Mutants of what moves records. */
import type { Mutant } from './mutant.ts'

export const movementMutants: readonly Mutant[] = [
  {
    name: 'pulls-from-one',
    does: 'a taker pulls each range from one replica alone',
    breaks: ['log', 'G3', 'G4'],
    edits: {
      'topology/transition.ts': [
        { find: 'return replicas - Math.floor(replicas / 2)', replace: 'return Math.min(1, replicas)' }
      ]
    }
  },
  {
    name: 'reports-before-pulling',
    does: 'a taker reports that it has its ranges before it has pulled any',
    breaks: ['log', 'G3', 'G4'],
    edits: {
      'movement/mover.ts': [
        {
          find: 'if (this.#takenAt !== transition.latest) {',
          replace: 'if (this.#takenAt !== transition.latest && transition.latest < 0) {'
        }
      ]
    }
  },
  {
    name: 'credits-an-earlier-epoch',
    does: 'a taker reports after an amendment what it took before',
    breaks: ['log', 'G3', 'G4'],
    edits: {
      'movement/mover.ts': [
        {
          find: 'if (this.#takenAt !== transition.latest) {',
          replace: 'if (this.#takenAt < transition.opened) {'
        }
      ]
    }
  },
  {
    name: 'credits-a-session-under-way',
    does: 'a taker counts a source as soon as the session with it has begun',
    breaks: ['G3', 'G4'],
    edits: {
      'movement/taker.ts': [
        {
          find: 'const { damagedThere } = await reconcile(components, init)',
          replace:
            'reconcile(components, init).catch(() => undefined)\n    const damagedThere = new Set<number>()'
        }
      ]
    }
  },
  {
    name: 'taken-before-disk',
    does: 'a taker writes what it pulled when it pulls more: its disk lacks the last batch when it reports',
    breaks: ['G3', 'G4'],
    edits: {
      'movement/exchange.ts': [
        {
          find: '      await this.#components.store.mergeAll(records)\n',
          replace:
            '      const { store } = this.#components\n' +
            '      const late = pulled.get(store) ?? []\n' +
            '      pulled.set(store, records)\n' +
            '      await store.mergeAll(late)\n'
        },
        {
          find: 'export class Exchange {',
          replace: 'const pulled = new WeakMap()\n\nexport class Exchange {'
        }
      ]
    }
  },
  {
    name: 'tombstones-not-taken',
    does: 'tombstones are left out of what sessions bring, whichever side brings it',
    breaks: ['G3', 'G4', 'G7'],
    edits: {
      'movement/exchange.ts': [
        {
          find: 'store.mergeAll(records)',
          replace: "store.mergeAll(records.filter(({ kind }) => kind === 'value'))"
        }
      ],
      'movement/source.ts': [
        {
          find: 'store.mergeAll(records)',
          replace: "store.mergeAll(records.filter(({ kind }) => kind === 'value'))"
        }
      ]
    }
  },
  {
    name: 'drops-what-it-replicates',
    does: 'a member of the ring before drops its records while the transition is still open',
    breaks: ['G3', 'G4'],
    edits: {
      'movement/domains.ts': [
        {
          find: 'domain: domainOf(this.#foreignRanges())',
          replace:
            'domain: domainOf(segmentsOf(this.topology).filter(({ after }) => !includes(after, this.#self)).map(({ range }) => range))'
        }
      ],
      'movement/mover.ts': [{ find: 'if (transition === undefined && !(await', replace: 'if (!(await' }]
    }
  },
  {
    name: 'drops-before-all-have-it',
    does: 'a displaced member drops a record that some replica could not be given',
    breaks: ['G3', 'G4', 'G7'],
    edits: {
      'movement/giver.ts': [
        {
          find: 'if (inDoubt === undefined) refused.push(dealing.domain)',
          replace: 'if (inDoubt === undefined) continue'
        }
      ]
    }
  },
  {
    name: 'drops-without-looking',
    does: 'a displaced member drops a record without looking whether it has become a replica of it',
    breaks: ['G3', 'G4', 'G7'],
    edits: {
      'movement/giver.ts': [
        { find: 'if (epoch() !== domains.topology.epoch) return 0', replace: 'if (epoch() < 0) return 0' }
      ]
    }
  },
  {
    name: 'never-reconciles',
    does: 'replicas do not reconcile with each other',
    breaks: ['G7'],
    edits: {
      'movement/mover.ts': [
        {
          find: 'if (neighbour !== undefined && isDue(neighbour.dueMs))',
          replace: 'if (neighbour !== undefined && neighbour.dueMs < 0)'
        },
        {
          find: 'const nextMs = this.#neighbours.next(isAlive)?.dueMs ?? Infinity',
          replace: 'const nextMs = Infinity'
        }
      ]
    }
  },
  {
    name: 'repairs-from-one',
    does: 'a damaged record is repaired with what one other replica has',
    breaks: ['G3', 'G4'],
    edits: {
      'movement/repairer.ts': [
        { find: '>= pullCount(replicas.length)', replace: '>= Math.min(1, replicas.length)' }
      ]
    }
  },
  {
    name: 'damaged-votes',
    does: 'a replica whose record is damaged votes as if it had none, and acknowledges writes that it cannot take',
    breaks: ['G3', 'G4'],
    edits: {
      'register/replica.ts': [
        {
          find: 'return { refused: { code: refusedCode.damaged, reason: error.message } }',
          replace: 'return { done: {}, version: {}, record: { record: new Uint8Array() } }'
        }
      ]
    }
  },
  {
    name: 'pull-ends-early',
    does: 'a pull counts as complete after its first message, before its source has sent all',
    breaks: ['G3', 'G4'],
    edits: {
      'movement/exchange.ts': [
        { find: 'wanted.splice(0, page.answered)', replace: 'wanted.splice(0)' },
        { find: 'left = left.slice(page.finished)', replace: 'left = []' }
      ],
      'limits.ts': [{ find: 'export const maxBatchBytes = ', replace: 'export const maxBatchBytes = 1 || ' }]
    }
  },
  {
    name: 'skips-reconcile-when-shrinking',
    does: 'where a key has fewer replicas after than before, its members do not reconcile before the close',
    breaks: ['log', 'G3', 'G4'],
    edits: {
      'topology/transition.ts': [
        {
          find: 'return Math.min(replicas, after.members.length) < Math.min(replicas, before.members.length)',
          replace: 'return after.members.length < 0 && before.members.length < replicas'
        }
      ]
    }
  },
  {
    name: 'takes-from-all-at-once',
    does: 'a taker has every source send it what it lacks, all at the same time',
    breaks: ['G2'],
    edits: {
      'movement/taker.ts': [
        {
          find: '      const credited = await session(components, init, source, open)\n',
          replace:
            '      const others = open[0].sources.filter(other => other.peerId !== source.peerId && other.peerId !== init.self.peerId)\n' +
            '      const [credited] = await Promise.all([source, ...others].map(each => session(components, init, each, open)))\n'
        }
      ]
    }
  },
  {
    name: 'pushes-all-to-neighbours',
    does: 'a session about what both replicate ends with all of it being sent, whether or not the other has it',
    breaks: ['G2'],
    edits: {
      'movement/session.ts': [
        {
          find: '    const { received, sent, damagedHere, damagedThere } = this.#exchange\n',
          replace:
            "    if (this.#init.kind === 'shared') await this.#exchange.pushNodes([rootNode])\n" +
            '    const { received, sent, damagedHere, damagedThere } = this.#exchange\n'
        }
      ]
    }
  },
  {
    name: 'purges-while-one-is-away',
    does: 'a purge is decided though one member has not reported',
    breaks: ['G4', 'G6'],
    edits: {
      'topology/purge.ts': [
        {
          find: 'if (known.length < reports.length) return',
          replace: 'if (known.length < reports.length - 1) return'
        }
      ]
    }
  },
  {
    name: 'shows-what-was-purged',
    does: 'what was purged is shown, and sent in sessions, until it has been dropped',
    breaks: ['G4', 'G6'],
    edits: {
      'topology/purge.ts': [
        {
          find: 'if (isPurged(record, topology.purgedBefore)) return false',
          replace: 'if (isPurged(record, 0)) return false'
        }
      ],
      'purge/visible-store.ts': [
        {
          find: 'if (isPurged(record, this.#purgedBefore)) return',
          replace: 'if (isPurged(record, 0)) return'
        },
        {
          find: 'filter(record => !isPurged(record, before))',
          replace: 'filter(record => !isPurged(record, 0))'
        }
      ]
    }
  },
  {
    name: 'purges-without-fence',
    does: 'a purge reaches as far as it likes, and what was stamped before it and is under way is stored after it',
    breaks: ['G4', 'G6'],
    edits: {
      'topology/purge.ts': [
        { find: 'Math.min(wanted, topology.fence)', replace: 'wanted' },
        { find: 'const fence = Math.max(topology.fence, since)', replace: 'const fence = topology.fence' }
      ],
      'topology/entry.ts': [
        {
          find: 'if (before > topology.fence) return',
          replace: 'if (before > topology.fence && fence < 0) return'
        }
      ]
    }
  }
]
