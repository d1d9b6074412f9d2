import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeFolder } from '../../src/storage/make-folder.ts'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'annulus-make-folder-'))
})

afterEach(() => rmSync(root, { recursive: true }))

describe('making a folder', () => {
  it('makes those above it too, and leaves one that is there', () => {
    makeFolder(join(root, 'a', 'b', 'c'))
    makeFolder(join(root, 'a', 'b', 'c'))
    expect(statSync(join(root, 'a', 'b', 'c')).isDirectory()).toBe(true)
  })

  it('says so where a file is in the way', () => {
    writeFileSync(join(root, 'file'), '')
    expect(() => makeFolder(join(root, 'file'))).toThrow('EEXIST')
    expect(() => makeFolder(join(root, 'file', 'below'))).toThrow(/EEXIST|ENOTDIR/)
  })

  it.skipIf(!existsSync('/proc/self'))('ends where the file system has no room for folders', () => {
    expect(() => makeFolder('/proc/no-such-process/data')).toThrow('ENOENT')
  })
})
