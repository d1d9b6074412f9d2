import { statfsSync, writeFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { whyNoRoom } from '../../src/storage/room.ts'
import { temporaryFolder } from './temporary-folders.ts'

it('there is room where as much is free as the logs take and a little more', () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, '000007.log'), 'a batch')
  writeFileSync(join(folder, '000005.ldb'), 'a table')
  expect(whyNoRoom(folder)).toBeUndefined()
  // Longer than what is free, and takes no room itself.
  const { bavail, bsize } = statfsSync(folder)
  const tooLong = 2 * bavail * bsize
  truncateSync(join(folder, '000005.ldb'), tooLong)
  expect(whyNoRoom(folder)).toBeUndefined()
  truncateSync(join(folder, '000007.log'), tooLong)
  expect(whyNoRoom(folder)).toMatch(
    /^its disk is full: \d+ bytes are free, and it needs \d+ to go on writing$/
  )
})
