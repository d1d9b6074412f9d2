import type { Connection } from '@libp2p/interface'
import { expect, it } from 'vitest'
import { Dialer, type DialerComponents } from '../../src/libp2p/dialer.ts'
import { peerIdOf } from '../support/peer-ids.ts'

it('says why a peer may have cut the connection while its protocol was being agreed on', async () => {
  // What libp2p does where a stream ends then: it fails with the event, which is no Error.
  const newStream = (): Promise<never> => {
    const cut: unknown = new Event('close')
    return Promise.reject(cut)
  }
  const dialer = new Dialer(
    // Of libp2p and the addresses, only this is used.
    {
      connectionManager: {
        getConnections: () => [],
        openConnection: () => Promise.resolve({ newStream } as unknown as Connection)
      },
      addresses: { multiaddrs: () => [] }
    } as unknown as DialerComponents,
    { self: peerIdOf(1), protocol: '/annulus/1.0.0', signal: new AbortController().signal }
  )
  await expect(dialer.open(peerIdOf(2), undefined)).rejects.toMatchObject({
    failure: 'unreachable',
    message: expect.stringMatching(
      `the connection was cut.*its allow lists lack this end, ${peerIdOf(1)}`
    ) as string
  })
})
