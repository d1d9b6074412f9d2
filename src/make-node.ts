/** A libp2p node from a user's settings, with errors that say which of them is wrong. */
import type { PrivateKey } from '@libp2p/interface'
import type { Access } from './core/access.ts'
import { AnnulusError } from './core/errors.ts'
import { createNode, type Node } from './libp2p/node.ts'

export interface NodeSettings {
  readonly privateKey: PrivateKey
  readonly listen?: readonly string[]
  readonly announce?: readonly string[]
  readonly networkKey?: Uint8Array | undefined
  readonly access?: Access
}

/** Makes a node, not yet started. Throws ERR_INVALID where the network key is none. */
export async function makeNode({ networkKey, ...settings }: NodeSettings): Promise<Node> {
  try {
    return await createNode({
      ...settings,
      ...(networkKey === undefined ? {} : { networkKey })
    })
  } catch (error) {
    if (networkKey === undefined) throw error
    throw new AnnulusError('ERR_INVALID', `the network key cannot be used: ${String(error)}`, {
      cause: error
    })
  }
}
