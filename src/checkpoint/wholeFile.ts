import { dirname } from 'node:path'
import { writing } from './checkpointError.ts'
import { nodeDisk, writeAll, type Disk } from './disk.ts'

/**
 * Writes a file so that its name stands for the old content or for all of the new, whatever happens: into a temporary
 * name in the same folder, fsync, rename. Throws CheckpointError, and then the old content is still there.
 */
export function writeWholeFile(path: string, chunks: Iterable<Uint8Array>, disk: Disk = nodeDisk): void {
  const temporary = `${path}.tmp-${process.pid}`
  writing(path, () => {
    try {
      const file = disk.open(temporary, 'create')
      try {
        for (const chunk of chunks) writeAll(disk, file, chunk)
        disk.sync(file)
      } finally {
        disk.close(file)
      }
      disk.rename(temporary, path)
      disk.syncFolder(dirname(path))
    } catch (error) {
      removeQuietly(temporary, disk)
      throw error
    }
  })
}

/** Writes a record as indented JSON, as a whole. */
export function writeJson(path: string, value: unknown, disk: Disk = nodeDisk): void {
  writeText(path, `${JSON.stringify(value, null, 2)}\n`, disk)
}

/** Writes text, as a whole. Throws CheckpointError. */
export function writeText(path: string, text: string, disk: Disk = nodeDisk): void {
  writeWholeFile(path, [new TextEncoder().encode(text)], disk)
}

/** Cleaning up after a failure, which is the thing to report: a second failure here would hide it. */
export function removeQuietly(path: string, disk: Disk): void {
  try {
    disk.remove(path)
  } catch {
    // The next save removes what is left.
  }
}
