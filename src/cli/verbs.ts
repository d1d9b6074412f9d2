/**
 * The verbs as the overall help lists them, and where the rest of each is found. A verb's file is loaded only when
 * the verb is named, so that `annulus --help` is there at once.
 */
import type { Command } from 'commander'

export interface Verb {
  readonly name: string
  /** Its arguments, as in its usage line; empty where it takes none. */
  readonly takes: string
  /** What it does, in a few words. */
  readonly about: string
  /** Gives what adds arguments, flags, help and action to its command. */
  readonly load: () => Promise<(command: Command) => void>
}

export const verbGroups: readonly { readonly heading: string; readonly verbs: readonly Verb[] }[] = [
  {
    heading: 'Run peers:',
    verbs: [
      {
        name: 'start',
        takes: '',
        about: 'run a peer until it is stopped',
        load: async () => (await import('./start.ts')).defineStart
      },
      {
        name: 'cluster',
        takes: '<n>',
        about: 'run several peers on this machine until they are stopped',
        load: async () => (await import('./cluster.ts')).defineCluster
      },
      {
        name: 'key',
        takes: '<action> [file]',
        about: 'make the key of a private network',
        load: async () => (await import('./key.ts')).defineKey
      },
      {
        name: 'identity',
        takes: '<action> <file>',
        about: 'make a lasting identity for a client, or show its peer id',
        load: async () => (await import('./identity.ts')).defineIdentity
      },
      {
        name: 'churn',
        takes: '',
        about: 'try how a cluster does whose peers come and go',
        load: async () => (await import('./churn.ts')).defineChurn
      }
    ]
  },
  {
    heading: 'One key:',
    verbs: [
      {
        name: 'put',
        takes: '<key> [value]',
        about: 'store a value under a key',
        load: async () => (await import('./put.ts')).definePut
      },
      {
        name: 'get',
        takes: '<key>',
        about: 'write the value of a key to standard output, byte for byte',
        load: async () => (await import('./get.ts')).defineGet
      },
      {
        name: 'delete',
        takes: '<key>',
        about: 'delete a key, whether it exists or not',
        load: async () => (await import('./delete.ts')).defineDelete
      }
    ]
  },
  {
    heading: 'The cluster:',
    verbs: [
      {
        name: 'locate',
        takes: '<key>',
        about: 'say where a key lies: its position on the ring and its replicas',
        load: async () => (await import('./locate.ts')).defineLocate
      },
      {
        name: 'status',
        takes: '',
        about: 'list the members: how they are and what they hold',
        load: async () => (await import('./status.ts')).defineStatus
      },
      {
        name: 'plan',
        takes: '',
        about: 'say what a join or a leave would move, before it is made',
        load: async () => (await import('./plan.ts')).definePlan
      },
      {
        name: 'leave',
        takes: '[peer]',
        about: 'have a member hand over what it holds and leave for good',
        load: async () => (await import('./leave.ts')).defineLeave
      },
      {
        name: 'remove',
        takes: '<peer>',
        about: 'remove a member that will not come back, and replicate anew what it held',
        load: async () => (await import('./remove.ts')).defineRemove
      },
      {
        name: 'restore',
        takes: '',
        about: 'the last resort: go on with the survivors when most members are lost for good',
        load: async () => (await import('./restore.ts')).defineRestore
      }
    ]
  },
  {
    heading: 'Folders of files:',
    verbs: [
      {
        name: 'import',
        takes: '<dir>',
        about: 'store every file under a folder, its relative path as the key',
        load: async () => (await import('./import.ts')).defineImport
      },
      {
        name: 'verify',
        takes: '<dir>',
        about: 'read back every file under a folder and compare',
        load: async () => (await import('./verify.ts')).defineVerify
      },
      {
        name: 'export',
        takes: '<dir>',
        about: 'write every key back as a file under a folder',
        load: async () => (await import('./export.ts')).defineExport
      }
    ]
  }
]
