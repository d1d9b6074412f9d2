#!/usr/bin/env node
/**
 * The `annulus` command. Its very first act is to check the Node it runs on, so this file and what it imports
 * at the top keep to syntax that Node 18 can parse; everything else loads after the check.
 */
import module from 'node:module'
import { nodeTooOld } from '../src/cli/node-version.ts'

const complaint = nodeTooOld(process.versions.node)
if (complaint === undefined) {
  // Keeps compiled code between runs: most of what a short command does is to load libp2p.
  module.enableCompileCache()
  const { main } = await import('../src/cli/main.ts')
  await main(process.argv.slice(2))
} else {
  process.stderr.write(`annulus: ${complaint}\n`)
  process.exitCode = 1
}
