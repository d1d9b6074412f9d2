/** What the benchmarks can be told, and that what makes no sense is refused by name. */
import { expect, it } from 'vitest'
import { readCompareOptions } from '../../benchmarks/compare/options.ts'
import { numberWithin, wholeNumbers, wordsOf } from '../../benchmarks/harness/options.ts'
import { nameOf, pointsOf } from '../../benchmarks/throughput/matrix.ts'
import { readThroughputOptions } from '../../benchmarks/throughput/options.ts'
import { readPeersOptions } from '../../benchmarks/peers/options.ts'

it('numbers outside of their bounds are refused with the flag and the bounds', () => {
  const bounds = { from: 1, to: 256 }
  expect(wholeNumbers('--in-flight', '1,16,256', bounds)).toEqual([1, 16, 256])
  for (const text of ['0', '257', '1.5', 'many', '', '1,,2']) {
    expect(() => wholeNumbers('--in-flight', text, bounds)).toThrow(
      '--in-flight takes whole numbers from 1 to 256'
    )
  }
  expect(numberWithin('--seconds', '1.5', bounds)).toBe(1.5)
  expect(() => numberWithin('--seconds', '', bounds)).toThrow('--seconds takes 1 to 256')
})

it('words that are not known are refused with those that are', () => {
  expect(wordsOf('--mode', 'direct', ['direct', 'embedded'])).toEqual(['direct'])
  expect(() => wordsOf('--mode', 'sideways', ['direct', 'embedded'])).toThrow(
    '--mode takes direct, embedded, not sideways'
  )
})

it('the fast set reads its flags, and says nothing but its usage when asked for that', () => {
  expect(readPeersOptions(['--help'])).toBeUndefined()
  const args = ['--json', '--seed', '9', '--in-flight', '4', '--markdown', 'page.md']
  const options = readPeersOptions(args)
  expect(options).toMatchObject({ json: true, seed: 9, markdown: 'page.md', settings: { inFlight: [4] } })
  expect(() => readPeersOptions(['--seconds', '9'])).toThrow('--seconds takes 1 to 4, not 9')
  expect(() => readPeersOptions(['--sideways'])).toThrow()
})

it('a comparison tries several numbers of operations at once', () => {
  expect(readCompareOptions([])?.settings.inFlight).toEqual([8, 16, 32, 64])
  expect(() => readCompareOptions(['--rounds', '0'])).toThrow('--rounds takes whole numbers from 1 to 20')
})

it('throughput is measured around a base, or of all combinations that are asked for, each once', () => {
  const usual = pointsOf(readThroughputOptions([])?.choice).map(nameOf)
  expect(usual).toHaveLength(30)
  expect(usual.slice(0, 2)).toEqual(['put, direct, quorum, 128 B, 64', 'put, direct, quorum, 128 B, 1'])
  const asked = readThroughputOptions([
    '--mixes',
    'get',
    '--values',
    '1024,1048576',
    '--in-flight',
    '1,64,256'
  ])
  expect(pointsOf(asked?.choice).map(nameOf)).toEqual([
    'get, direct, quorum, 1 KiB, 1',
    'get, direct, quorum, 1 KiB, 64',
    'get, direct, quorum, 1 KiB, 256',
    // No more than 16 MiB are under way.
    'get, direct, quorum, 1 MiB, 1',
    'get, direct, quorum, 1 MiB, 16'
  ])
})
