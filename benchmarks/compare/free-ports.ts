/** Ports for programs that must be told which ones to listen on. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'

/** That many TCP ports of loopback which were free a moment ago, each another one. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listen))
  // All are held at once, so that none is given twice. A server on TCP has an AddressInfo.
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => server[Symbol.asyncDispose]()))
  return ports
}

async function listen(): Promise<Server> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}
