/** The entry `bonsaic/compress`: a float model becomes a smaller one, or int8. It loads TensorFlow.js when it trains. */
export {
  type CompressedModel,
  type CompressReport,
  type CompressRequest,
  compressModel,
} from './compress-model.js';
export type { Goals } from './goals.js';
export type { Materials } from './prepare.js';
export { type Recipe, readRecipe, settingsOf } from './recipe.js';
export { compressText } from './report.js';
export { modelSensitivity } from './sensitivity-model.js';
