/**
 * The library as it is published: built. The sources do not run as they are, for what is generated of the wire
 * formats is more than types.
 */
const built = new URL('../../dist/src/index.js', import.meta.url)

// The types come from the sources, so that they can be checked before anything is built.
export const { createPeer, createClient } = (await import(built.href)) as typeof import('../../src/index.ts')
