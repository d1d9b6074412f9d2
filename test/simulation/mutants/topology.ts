/** Mutants of the log: Paxos, transitions, lives and boots, and of liveness. */
import type { Mutant } from './mutant.ts'

export const topologyMutants: readonly Mutant[] = [
  {
    name: 'epoch-before-disk',
    does: 'a peer answers in an epoch that its disk does not have yet, and greets nobody when it starts',
    breaks: ['log', 'G4'],
    edits: {
      'topology/log.ts': [
        {
          find: '    await this.#store.writeMeta(changes)\n    this.#current = topology\n',
          replace: '    this.#current = topology\n    await this.#store.writeMeta(changes)\n'
        }
      ],
      'meeting.ts': [{ find: '.slice(0, maxGreeted)', replace: '.slice(0, 0)' }]
    }
  },
  {
    name: 'promise-not-on-disk',
    does: 'an acceptor keeps its promises in memory alone, so that a restart forgets them',
    breaks: ['log', 'G4'],
    edits: {
      'topology/acceptor.ts': [
        {
          find: 'await this.#store.writeMeta([[stateName, encodeState(state)]])',
          replace: 'await Promise.resolve()'
        }
      ]
    }
  },
  {
    name: 'accepts-below-promise',
    does: 'an acceptor accepts an entry below the ballot that it promised',
    breaks: ['log', 'G4'],
    edits: {
      'topology/acceptor.ts': [
        {
          find: '      if (compareBallots(ballot, held?.promised) < 0) return refusal(held)\n      this.#ensureMayFollow',
          replace: '      this.#ensureMayFollow'
        }
      ]
    }
  },
  {
    name: 'own-entry-first',
    does: 'a proposer proposes its own entry where an acceptor has accepted another one',
    breaks: ['log', 'G4'],
    edits: {
      'topology/proposer.ts': [
        {
          find: 'highestAccepted(promises.votes) ?? wanted',
          replace: 'wanted ?? highestAccepted(promises.votes)'
        }
      ]
    }
  },
  {
    name: 'half-decides',
    does: 'half of the acceptors decide an entry',
    breaks: ['log', 'G4'],
    edits: {
      'topology/proposer.ts': [
        {
          find: 'const majority = Math.floor(acceptors.length / 2) + 1',
          replace: 'const majority = Math.max(1, Math.floor(acceptors.length / 2))'
        }
      ]
    }
  },
  {
    name: 'round-reused',
    does: 'a proposer uses one round again and again for what it proposes at one epoch',
    breaks: ['log', 'G4'],
    edits: {
      'topology/proposer.ts': [
        { find: 'this.#round = ballot.round', replace: 'this.#round += 0' },
        {
          find: 'this.#round = Math.max(this.#round, vote.promised?.round ?? 0)',
          replace: 'this.#round += 0'
        }
      ]
    }
  },
  {
    name: 'ballot-without-boot',
    does: 'ballots count from one at each epoch and do not name the boot: after a restart the same ones are used again',
    breaks: ['log', 'G4'],
    edits: {
      'topology/ballot.ts': [{ find: 'boot: proposer.boot }', replace: 'boot: 0 }' }],
      'topology/proposer.ts': [
        {
          find: 'const { clock, random, log } = this.#components\n',
          replace: 'const { clock, random, log } = this.#components\n    this.#round = 0\n'
        }
      ]
    }
  },
  {
    name: 'acceptors-by-peer-id',
    does: 'an acceptor is a peer id: one that lost its disk votes in its new life as it did in the old one',
    breaks: ['log', 'G4'],
    edits: {
      'topology/acceptor.ts': [
        {
          find: 'if (!includesMember(topology.acceptors, this.#self))',
          replace: 'if (!topology.acceptors.some(({ peerId }) => peerId === this.#self.peerId))'
        }
      ],
      'requests/calls.ts': [
        {
          find: 'await this.#ask(to, encodeRequest',
          replace:
            'await this.#ask(\n' +
            '      request.prepare === undefined && request.accept === undefined\n' +
            '        ? to\n' +
            '        : (this.#components.transport.remotes().find(({ peerId }) => peerId === to.peerId) ?? to),\n' +
            '      encodeRequest'
        }
      ]
    }
  },
  {
    name: 'amendment-keeps-reports',
    does: 'reports of before an amendment count after it, though ranges have new takers: it is closed at once',
    breaks: ['log', 'G3', 'G4'],
    edits: {
      'topology/steward.ts': [
        {
          find: '    this.#reported.clear()\n',
          replace: '    if (this.#components.log.current?.transition === undefined) this.#reported.clear()\n'
        },
        {
          find: 'const dueMs = Math.max(this.#wantedAtMs',
          replace: "const dueMs = entry.kind === 'close' ? now : Math.max(this.#wantedAtMs"
        }
      ]
    }
  },
  {
    name: 'closes-without-one',
    does: 'a transition is closed though one taker has not reported',
    breaks: ['log', 'G3', 'G4'],
    edits: {
      'topology/decide.ts': [
        { find: 'if (missing.length === 0) return', replace: 'if (missing.length <= 1) return' }
      ]
    }
  },
  {
    name: 'founds-anew',
    does: 'a joiner that reaches nobody for three seconds founds a cluster of its own',
    breaks: ['G4', 'G7'],
    edits: {
      'membership.ts': [
        {
          find: 'else await meet(parts, { addresses, hasHome: this.#homeId !== undefined, signal, onWaiting })',
          replace:
            'else {\n' +
            '        const meeting = meet(parts, { addresses, hasHome: false, signal, onWaiting })\n' +
            '        await Promise.race([meeting, sleep(parts.clock, 3_000, signal)])\n' +
            '        if (this.#log.current === undefined) await this.#found(life.self)\n' +
            '      }'
        }
      ]
    }
  },
  {
    name: 'never-refutes',
    does: 'a peer that is suspected does not raise its incarnation, so that nobody ever believes it again',
    breaks: ['G7'],
    edits: {
      'liveness/member-table.ts': [
        { find: 'incarnation: claim.incarnation + 1', replace: 'incarnation: this.#own.incarnation' }
      ]
    }
  },
  {
    name: 'timer-not-cancelled',
    does: 'the timer of probes is not cancelled when a peer stops, and sets itself again',
    breaks: ['G8'],
    edits: {
      'liveness/liveness.ts': [{ find: '    this.#tickTimer?.cancel()\n', replace: '    this.#tick(0)\n' }]
    }
  },
  {
    name: 'minority-removes',
    does: 'a member is removed though those who would do so see but a minority alive, and too few of its copies',
    breaks: ['log', 'G3', 'G4'],
    edits: {
      'topology/decide.ts': [
        { find: 'if (!seesMost(others, isThere)) return notMost(wish.member)', replace: '' },
        {
          find: 'if (!seesMost(topology.members.filter(isVoter), isThere)) waiting.push(notMost(member))\n    else if (risk',
          replace: 'if (risk'
        }
      ]
    }
  },
  {
    name: 'removes-the-last-copies',
    does: 'a member is removed though too few of the replicas are left of a range',
    breaks: ['log', 'G3', 'G4'],
    edits: {
      'topology/decide.ts': [
        {
          find: 'return risk === undefined ? undefined : `without',
          replace: 'return risk === undefined || risk.ranges > 0 ? undefined : `without'
        },
        {
          find: 'const risk = needsRisk ? riskOf(topology, isThere) : undefined',
          replace: 'const risk = needsRisk && isThere === undefined ? riskOf(topology, isThere) : undefined'
        }
      ]
    }
  },
  {
    name: 'restores-without-copying',
    does: 'after a restore the survivors serve at once, before they have copied what is left from each other',
    breaks: ['G3', 'G4'],
    edits: {
      'topology/next-topology.ts': [
        {
          find: 'const state = { ...stateOf(topology), epoch, generation: entry.generation, transition }\n',
          replace:
            'const state = { ...stateOf(topology), epoch, generation: entry.generation, transition: undefined }\n'
        },
        {
          find: 'new Topology({ ...state, members: restored(topology, entry) }, topology)',
          replace:
            'new Topology({ ...state, members: restored(topology, entry).map(member => closed(member, epoch)) }, topology)'
        }
      ]
    }
  }
]
