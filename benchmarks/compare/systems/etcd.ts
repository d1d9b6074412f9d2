/** etcd: three nodes that agree by Raft, TLS between them and to the client, gRPC. */
import { join } from 'node:path'
import { makeCertificate, type Certificate } from '../certificate.ts'
import { freePorts } from '../free-ports.ts'
import { load, missingPackage, missingProgram } from '../installed.ts'
import { KeyMissingError, type System } from '../system.ts'

const nodes = 3

/** The part of the package etcd3 that is used. */
interface Etcd3 {
  readonly Etcd3: new (init: object) => EtcdClient
}

interface EtcdClient {
  put(key: string): { value(value: Buffer): PromiseLike<unknown> }
  get(key: string): { buffer(): Promise<Buffer | null> }
  close(): void
}

interface EtcdNode {
  readonly name: string
  readonly clientUrl: string
  readonly peerUrl: string
}

export const etcd: System = {
  name: 'etcd',
  promise: 'linearizable; on disk at two of three',
  targets: { put: 4, get: 6 },
  missing: () => missingPackage('etcd3') ?? missingProgram(['etcd'], 'etcd-server'),
  async start({ belongings }) {
    const certificate = makeCertificate(belongings.folder)
    const ports = await freePorts(nodes * 2)
    const all = Array.from({ length: nodes }, (_, i): EtcdNode => {
      const [clientUrl, peerUrl] = [
        `https://127.0.0.1:${ports[2 * i]}`,
        `https://127.0.0.1:${ports[2 * i + 1]}`
      ]
      return { name: `node-${i}`, clientUrl, peerUrl }
    })
    const children = all.map(node =>
      belongings.spawnProgram('etcd', flagsOf(node, all, certificate, join(belongings.folder, node.name)))
    )
    const { Etcd3 } = await load<Etcd3>('etcd3')
    const client = new Etcd3({
      hosts: all.map(({ clientUrl }) => clientUrl),
      credentials: { rootCertificate: certificate.certificate },
      // A name of the certificate that is no address: TLS has none of those for a server's name.
      grpcOptions: { 'grpc.ssl_target_name_override': 'localhost' }
    })
    for (const child of children)
      await child.until(async () => client.put('started').value(Buffer.from('yes')))
    return {
      put: async (key, value) => client.put(key).value(Buffer.from(value)),
      get: async key => {
        if ((await client.get(key).buffer()) === null) throw new KeyMissingError(key)
      },
      [Symbol.asyncDispose]: () => {
        client.close()
        return Promise.resolve()
      }
    }
  }
}

function flagsOf(
  { name, clientUrl, peerUrl }: EtcdNode,
  all: readonly EtcdNode[],
  { certificateFile, keyFile }: Certificate,
  folder: string
): string[] {
  return [
    `--name=${name}`,
    `--data-dir=${folder}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=${all.map(node => `${node.name}=${node.peerUrl}`).join(',')}`,
    '--initial-cluster-state=new',
    `--cert-file=${certificateFile}`,
    `--key-file=${keyFile}`,
    `--peer-cert-file=${certificateFile}`,
    `--peer-key-file=${keyFile}`,
    `--peer-trusted-ca-file=${certificateFile}`,
    '--peer-client-cert-auth'
  ]
}
