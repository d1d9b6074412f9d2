import { expect, it } from 'vitest'
import { bytes, errorOf, startClient, startPeer, text } from './peers.ts'

const keys = [
  '__proto__',
  'constructor',
  'a\0b',
  'line\nbreak',
  ' ',
  '..',
  '/',
  '\u{1f511}',
  'k'.repeat(1024)
]

it('keys are any bytes: whatever they spell is put, listed, read and deleted', async () => {
  const peer = await startPeer()
  await peer.ready()
  const client = await startClient({ peers: peer.multiaddrs })
  for (const key of keys) await client.put(key, bytes(`value of ${key}`))
  await client.put(Uint8Array.of(0xff, 0xfe), bytes('no text'))
  for (const key of keys) expect(text((await peer.get(key))?.value)).toBe(`value of ${key}`)
  const listed: string[] = []
  for await (const key of client.keys()) listed.push(Buffer.from(key).toString('hex'))
  expect(listed.sort()).toEqual([...keys.map(key => Buffer.from(key).toString('hex')), 'fffe'].sort())
  for (const key of keys) await client.delete(key)
  for (const key of keys) expect(await peer.get(key)).toBeUndefined()
})

it('a key of 1,025 bytes and an empty one are refused, with what would be right', async () => {
  const peer = await startPeer()
  await peer.ready()
  const tooLong = await errorOf('ERR_INVALID', () => peer.put('k'.repeat(1025), bytes('v')))
  expect(tooLong.message).toContain('1025 bytes long; at most 1024')
  expect((await errorOf('ERR_INVALID', () => peer.get(''))).message).toContain('at least 1 byte')
})
