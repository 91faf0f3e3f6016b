/** Opening a folder as transformers saves it: all is checked before the first number is read. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { findTokenizerFile, openTokenizerFile } from '../../data/index.ts'
import { findModel } from '../../models/index.ts'
import { ExchangeError } from '../exchangeError.ts'
import { readJsonFile } from '../jsonFile.ts'
import type { Pretrained } from '../pretrained.ts'
import { carriedFiles, CONFIG_FILE } from './carried.ts'
import { classOfConfig } from './classes.ts'
import { configReader } from './configReader.ts'
import { parameterReader } from './parameterReader.ts'
import { openShards, type StoredTensors } from './shards.ts'

/** Whether a folder holds a model of Hugging Face's rather than a run. */
export function isHuggingFaceFolder(folder: string): boolean {
  return (
    existsSync(join(folder, CONFIG_FILE)) &&
    readdirSync(folder).some((name) => /\.safetensors(\.index\.json)?$/.test(name))
  )
}

/**
 * Opens a model: its class, its configuration, and that its files have every parameter in the right shape and nothing
 * else. Throws ExchangeError or CheckpointError; then nothing is left open.
 */
export function openHuggingFace(folder: string): Pretrained {
  const config = configReader(join(folder, CONFIG_FILE), readJsonFile(join(folder, CONFIG_FILE)))
  const modelClass = classOfConfig(config)
  const model = modelClass.readConfig(config)
  const stored = openShards(folder)
  try {
    checkBlocks(model.layers, stored)
    const parameters = findModel(model.architecture).declareParameters(model)
    const tokenizerFile = findTokenizerFile(folder)
    const read = parameterReader(stored, modelClass, parameters)
    return {
      path: folder,
      format: modelClass.name,
      dtypes: [...new Set([...stored.tensors.values()].map(({ dtype }) => dtype))].join(', '),
      model,
      parameters,
      tokenizer: tokenizerFile === undefined ? null : openTokenizerFile(tokenizerFile).describe(),
      carried: carriedFiles(folder),
      notices: [],
      read,
      close: stored.close,
    }
  } catch (error) {
    stored.close()
    throw error
  }
}

/** Before anything is made for each block: a configuration may name billions of them. */
function checkBlocks(layers: number, { path, tensors }: StoredTensors): void {
  if (layers <= tensors.size) return
  throw new ExchangeError(
    path,
    `The configuration names ${layers} blocks, and ${path} has ${tensors.size} tensors in all.`,
    'Configuration and weights are of different models; copy or download both again.',
  )
}
