/** Charts as SVG text, drawn by echarts. */
import { type EChartsOption, init, setPlatformAPI } from 'echarts';

/**
 * Width of a text in pixels. Whoever looks at the chart has a font of his own: this is that of wide
 * ones, so that what fits here fits there.
 */
export function textWidth(text: string, fontPixels: number): number {
  return 0.64 * fontPixels * text.length;
}

setPlatformAPI({
  measureText: (text: string, font = '') => ({
    width: textWidth(text, Number(/([\d.]+)px/.exec(font)?.[1] ?? 12)),
  }),
});

/** @param height, width in pixels of the view box */
export function svgOf(option: EChartsOption, width: number, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, backgroundColor: '#fff', ...option });
    return `${chart.renderToSVGString()}\n`;
  } finally {
    chart.dispose();
  }
}
