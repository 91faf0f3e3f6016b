import { beforeEach, describe, expect, it } from 'vitest'
import { RaceDetector } from './races.ts'

describe('the race detector', () => {
  const x = { name: 'x', address: 0, words: new Int32Array(8) }
  const own = { name: 'own', address: 64, words: new Int32Array(8) }
  let races: RaceDetector
  const read = (first: number, count = 1) => races.onAccess(x, first, count, false)
  const write = (first: number, count = 1) => races.onAccess(x, first, count, true)
  beforeEach(() => {
    races = new RaceDetector([x])
    races.turn('a', 'a at work')
  })

  it('refuses reading and writing what another wrote', () => {
    write(2, 2)
    races.turn('b', 'b at work')
    expect(() => read(0, 4)).toThrow(
      'b at work touches word 2 of x, which a at work wrote, with no barrier between them',
    )
    expect(() => write(3)).toThrow('b at work touches word 3 of x, which a at work wrote')
  })

  it('refuses writing what another read, though the writer read it last', () => {
    read(1)
    races.turn('b', 'b at work')
    read(1)
    expect(() => write(1)).toThrow(/b at work touches word 1 of x, which .* read/)
    races.turn('c', 'c at work')
    expect(() => write(1)).toThrow(/c at work touches word 1 of x, which .* read/)
  })

  it('lets a worker change what it alone touched, and all read what none writes', () => {
    write(0)
    read(0)
    read(5)
    races.turn('b', 'b at work')
    read(5)
    races.turn('a', 'a again')
    write(0)
    read(5)
  })

  it('forgets at a barrier, and does not watch other memory', () => {
    write(0)
    read(1)
    races.onAccess(own, 0, 1, true)
    races.barrier()
    races.turn('b', 'b at work')
    write(0, 2)
    races.onAccess(own, 0, 1, true)
  })
})
