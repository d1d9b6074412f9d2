/**
 * A channel by hand: greets a peer as a client would, and then sends what no client sends, or as much at once as none
 * does. Used by the checks of what others may do to a peer. From the built files, as library.ts says.
 */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import type { Frame } from '../../src/libp2p/frame.ts'
import type { Node } from '../../src/libp2p/node.ts'
import type { FramedStream } from '../../src/libp2p/framed-stream.ts'

const built = (file: string): string => new URL(`../../dist/src/${file}.js`, import.meta.url).href

// The types come from the sources, so that they can be checked before anything is built.
const { createNode } = (await import(built('libp2p/node'))) as typeof import('../../src/libp2p/node.ts')
const { encodeHello } = (await import(built('libp2p/hello'))) as typeof import('../../src/libp2p/hello.ts')
const { newInstance } = (await import(built('libp2p/ids'))) as typeof import('../../src/libp2p/ids.ts')
const { Deadlines } = (await import(
  built('libp2p/deadlines')
)) as typeof import('../../src/libp2p/deadlines.ts')
const framing = (await import(
  built('libp2p/framed-stream')
)) as typeof import('../../src/libp2p/framed-stream.ts')
const frames = (await import(built('libp2p/frame'))) as typeof import('../../src/libp2p/frame.ts')
const messages = (await import(
  built('wire/generated/messages')
)) as typeof import('../../src/wire/generated/messages.ts')

export const { frameKind } = frames
export const { Request } = messages

/** Bytes of the largest message that is heard: a record of 4 MiB fits. */
const maxMessageBytes = 5 * 1024 * 1024

/** Somebody with a new identity, who listens nowhere. */
export async function newStranger(): Promise<Node> {
  const stranger = await createNode({ privateKey: await generateKeyPair('Ed25519') })
  await stranger.libp2p.start()
  return stranger
}

/** A stream of the protocol to a peer, on which nothing has been said yet. */
export async function openStream({ libp2p }: Node, address: string): Promise<FramedStream> {
  const stream = await libp2p.dialProtocol(multiaddr(address), '/annulus/1.0.0')
  return new framing.FramedStream({ stream, deadlines: new Deadlines() })
}

/** Says what a client of this cluster says first. */
export function greet(stream: FramedStream, clusterId: string): void {
  const greeting = { network: 'annulus', clusterId, generation: 1, life: '', boot: 0, epoch: 0 }
  stream.sendMessage(
    encodeHello({
      greeting: { ...greeting, role: 'client' },
      lane: 'main',
      instance: newInstance(),
      address: frames.noBytes,
      software: 'acceptance'
    })
  )
}

/** Hands over each frame that comes after the peer's greeting. */
export function hear(stream: FramedStream, onFrame: (frame: Frame) => void): Promise<void> {
  let isGreeted = false
  return new Promise(resolve => {
    stream.listen({
      maxMessageBytes,
      message: message => {
        if (isGreeted) onFrame(frames.readFrame(message))
        isGreeted = true
      },
      drained: () => undefined,
      closed: () => resolve()
    })
  })
}

/** The bytes of a request as they go on a stream. */
export function requestOf(id: number, body: Uint8Array, timeoutMs: number): Uint8Array {
  const frame = { kind: frameKind.request, id, timeoutMs, body, code: 0, reason: '' }
  const bytes = Buffer.alloc(frames.frameLength(frame))
  frames.writeFrame(bytes, 0, frame)
  return bytes
}
