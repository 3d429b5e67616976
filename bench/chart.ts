/** Charts as SVG text, by echarts. */
import { type EChartsOption, init, setPlatformAPI } from 'echarts';

/**
 * Estimated width of a text in pixels. The viewer's font is unknown, so this is the width in a wide
 * font.
 */
export function textWidth(text: string, fontPixels: number): number {
  return 0.64 * fontPixels * text.length;
}

setPlatformAPI({
  measureText: (text: string, font = '') => ({
    width: textWidth(text, Number(/([\d.]+)px/.exec(font)?.[1] ?? 12)),
  }),
});

/** @param width, height size of the view box in pixels */
export function svgOf(option: EChartsOption, width: number, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, backgroundColor: '#fff', ...option });
    return `${chart.renderToSVGString()}\n`;
  } finally {
    chart.dispose();
  }
}
