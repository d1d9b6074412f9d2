import { MemoryStore } from '../../src/storage/memory.ts'
import { testStore } from './store.conformance.ts'

testStore('the memory store', {
  create: () => Promise.resolve(new MemoryStore()),
  remove: store => store.close()
})
