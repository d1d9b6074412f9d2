import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  defaultDataFolder,
  defaultListen,
  readAddresses,
  rememberPort,
  rememberedPort,
  removeAddresses,
  writeAddresses
} from '../../src/cli/data-folder.ts'
import { temporaryFolder } from '../support/processes.ts'

it('is below XDG_DATA_HOME, or below the home folder', () => {
  expect(defaultDataFolder({ XDG_DATA_HOME: '/x' })).toBe('/x/annulus')
  expect(defaultDataFolder({})).toMatch(/\.local\/share\/annulus$/)
})

describe('the addresses in it', () => {
  it('are read back as written, and leave nothing else behind', async () => {
    const folder = join(await temporaryFolder(), 'new')
    await writeAddresses(folder, ['/a', '/b'])
    expect(await readAddresses(folder)).toEqual(['/a', '/b'])
    expect(await readdir(folder)).toEqual(['address'])
  })

  it('are taken away by the peer that wrote them, and not by one before', async () => {
    const folder = await temporaryFolder()
    await writeAddresses(folder, ['/new'])
    await removeAddresses(folder, ['/old'])
    expect(await readAddresses(folder)).toEqual(['/new'])
    await removeAddresses(folder, ['/new'])
    expect(await readAddresses(folder)).toBeUndefined()
  })

  it('are none where there is no folder, or a file in its place', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'file'), '')
    expect(await readAddresses(join(folder, 'missing'))).toBeUndefined()
    expect(await readAddresses(join(folder, 'file'))).toBeUndefined()
  })
})

it.each(['address', 'port'])('names its file %s where a folder lies in its place', async name => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, name))
  const reading = name === 'port' ? defaultListen(folder) : readAddresses(folder)
  await expect(reading).rejects.toThrow(`${join(folder, name)} cannot be read: EISDIR`)
})

describe('the port in it', () => {
  it('is taken again while it is free, and let go where it is not', async () => {
    const folder = await temporaryFolder()
    const server = createServer()
    const port = await new Promise<number>(resolve => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
    await rememberPort(folder, [`/ip4/127.0.0.1/tcp/${port}/p2p/12D3`])
    expect(await rememberedPort(folder)).toBe(port)
    expect(await defaultListen(folder)).toBe('/ip4/127.0.0.1/tcp/0')
    await new Promise(resolve => server.close(resolve))
    expect(await defaultListen(folder)).toBe(`/ip4/127.0.0.1/tcp/${port}`)
  })

  it('is remembered only for loopback, and not believed when it is nonsense', async () => {
    const folder = await temporaryFolder()
    await rememberPort(folder, ['/ip4/192.0.2.1/tcp/4001'])
    expect(await rememberedPort(folder)).toBeUndefined()
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'port'), '99999')
    expect(await defaultListen(folder)).toBe('/ip4/127.0.0.1/tcp/0')
    expect(await defaultListen(undefined)).toBe('/ip4/127.0.0.1/tcp/0')
  })
})
