/** Disks on which things go wrong, for tests. */
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { nodeDisk, type Disk } from './disk.ts'

/** Does not wait for the disk: hundreds of crashes are only simulated, and each fsync takes milliseconds. */
export const quickDisk: Disk = { ...nodeDisk, sync: () => {}, syncFolder: () => {} }

/** The machine stopped: nothing after this happens. */
export class Crash extends Error {}

/**
 * A disk that stops for good at its operation number `at` (from 0). What was under way is half done: half of the bytes
 * are written, one file of a folder is removed; a rename has not happened.
 */
export function crashingDisk(at: number): Disk {
  let operations = 0
  const step = <A extends unknown[], R>(run: (...args: A) => R, half?: (...args: A) => void) => {
    return (...args: A): R => {
      const number = operations++
      if (number < at) return run(...args)
      if (number === at) half?.(...args)
      throw new Crash(`operation ${number}`)
    }
  }
  return {
    open: step(nodeDisk.open, (path, mode) => nodeDisk.close(nodeDisk.open(path, mode))),
    write: step(nodeDisk.write, (file, bytes) => void nodeDisk.write(file, bytes.subarray(0, bytes.length >> 1))),
    truncate: step(nodeDisk.truncate),
    sync: step(quickDisk.sync),
    close: step(nodeDisk.close, nodeDisk.close),
    syncFolder: step(quickDisk.syncFolder),
    makeFolder: step(nodeDisk.makeFolder),
    rename: step(nodeDisk.rename),
    link: step(nodeDisk.link),
    remove: step(nodeDisk.remove, (path) => {
      const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
      const [first] = isFolder ? readdirSync(path) : []
      if (first !== undefined) rmSync(join(path, first))
    }),
  }
}

/** A disk on which one kind of operation fails with a system error, after `after` of them went well. */
export function refusingDisk(operation: keyof Disk, code: string, after = 0): Disk {
  let left = after
  const refuse = (...args: never[]): never => {
    if (left-- > 0) return (quickDisk[operation] as (...args: never[]) => never)(...args)
    throw Object.assign(new Error(`${code}: ${operation}`), { code, errno: -1 })
  }
  return { ...quickDisk, [operation]: refuse }
}
