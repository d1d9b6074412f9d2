/**
 * The library and the command as they are published: built. The sources as they are do not run without a
 * build step, for what is generated of the wire formats is more than types.
 */
import { fileURLToPath } from 'node:url'

const dist = new URL('../../dist/', import.meta.url)

export const command = fileURLToPath(new URL('bin/annulus.js', dist))

// The types come from the sources, so that they can be checked before anything is built.
export const { createClient, createPeer } = (await import(
  new URL('src/index.js', dist).href
)) as typeof import('../../src/index.ts')
