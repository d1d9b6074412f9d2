/** `createClient`: a client with a libp2p node of its own. */
import type { Client, ClientInit } from './api.ts'
import { clientIdentity } from './client-identity.ts'
import { ClientCore } from './core/client.ts'
import { makeNode } from './make-node.ts'
import { systemClock, systemRandom } from './libp2p/system.ts'
import { checkClientInit } from './settings.ts'
import { silentLogger } from './silent-logger.ts'
import { MemoryStore } from './storage/memory.ts'

/**
 * Connects to the first of the peers that answers. Throws `AnnulusError`: ERR_INVALID, ERR_UNREACHABLE where
 * none answers, ERR_CONFIG where one refuses, ERR_FORBIDDEN where their lists do not let this client in.
 */
export async function createClient(init: ClientInit): Promise<Client> {
  checkClientInit(init)
  const { libp2p, transport } = await makeNode({
    privateKey: await clientIdentity(init),
    networkKey: init.networkKey
  })
  await libp2p.start()
  const client = new ClientCore(
    {
      clock: systemClock(),
      random: systemRandom,
      transport,
      store: new MemoryStore(),
      logger: init.logger ?? silentLogger,
      release: async () => libp2p.stop()
    },
    init
  )
  try {
    await client.start()
    return client
  } catch (error) {
    await client.close()
    throw error
  }
}
